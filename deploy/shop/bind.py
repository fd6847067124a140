"""Tells Hissa which order this visitor is about to pay. Call it when the order is made, before the
customer is sent to Paytm:

    hissa_bind("1042", hissa_click(request.headers.get("Cookie")), "ASHA10", "77", "1499.00")

The environment holds HISSA_URL (https://go.shop.in, your public_url) and HISSA_KEY (what
"hissa key add shop" printed). Needs Python 3.8 or later and nothing else.
"""

import http.client
import json
import logging
import os
import re
import time
import urllib.error
import urllib.request

_CLICK = re.compile(r'(?:^|;\s*)hissa_click="?(clk_[A-Za-z0-9_-]{1,60})"?\s*(?:;|$)')


def hissa_click(cookie_header):
    """The click in a Cookie header, "" when there is none."""
    found = _CLICK.search(cookie_header or "")
    return found.group(1) if found else ""


def hissa_bind(order_id, click_id="", promo_code="", customer_id="", amount=""):
    """Binds an order to a click, a promo code and a customer; what is unknown may be "".

    amount is rupees like "1499.00": a payment of another amount is held. It never raises, and
    keeps the checkout about two seconds at most, a second try included. Returns "bound", "same" or
    "replaced"; None when the order is not bound, and the log says why.
    """
    order = {"order_id": order_id, "click_id": click_id, "promo_code": promo_code,
             "customer_id": customer_id, "amount": amount}
    body = json.dumps({name: str(value) for name, value in order.items() if value})
    deadline = time.monotonic() + 2
    why = ""
    for _ in range(2):
        left = deadline - time.monotonic()
        if left < 0.05:
            break
        try:
            return _post(body, left)
        except urllib.error.HTTPError as refusal:
            why = f"status {refusal.code}: {refusal.read(500).decode(errors='replace').strip()}"
            if refusal.code < 500:
                break  # the same again would be refused again
        except (OSError, http.client.HTTPException) as error:
            why = str(error)
        except Exception as error:  # a sale is worth more than a commission
            why = str(error)
            break
        time.sleep(0.1)
    logging.getLogger("hissa").warning("order %s is not bound: %s", order_id, why)
    return None


def _post(body, seconds):
    key = os.environ.get("HISSA_KEY", "").strip()
    if not re.fullmatch("[!-~]+", key):  # or http.client would repeat an unusable key in its error
        raise ValueError("HISSA_KEY holds no key")
    request = urllib.request.Request(
        os.environ.get("HISSA_URL", "").rstrip("/") + "/v1/orders", body.encode(),
        {"Authorization": "Bearer " + key, "Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=seconds) as answer:
        return json.load(answer).get("result")
