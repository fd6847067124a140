// Tells Hissa which order this visitor is about to pay. Call it when the order is made, before the
// customer is sent to Paytm:
//
//     await hissaBind("1042", hissaClick(request.headers.cookie), "ASHA10", "77", "1499.00");
//
// The environment holds HISSA_URL (https://go.shop.in, your public_url) and HISSA_KEY (what
// "hissa key add shop" printed). Needs Node.js 18 or later and nothing else.

/** The click in a Cookie header, "" when there is none. */
export function hissaClick(cookieHeader) {
  const found = /(?:^|;\s*)hissa_click="?(clk_[A-Za-z0-9_-]{1,60})"?\s*(?:;|$)/.exec(cookieHeader ?? "");
  return found ? found[1] : "";
}

/**
 * Binds an order to a click, a promo code and a customer; what is unknown may be "". amount is rupees
 * like "1499.00": a payment of another amount is then held. It never throws, and keeps the checkout
 * no longer than two seconds, a second try included. Resolves to "bound", "same" or "replaced"; to
 * null when the order is not bound, and the log says why.
 */
export async function hissaBind(orderId, clickId = "", promoCode = "", customerId = "", amount = "") {
  let why = "";
  try {
    const order = { order_id: orderId, click_id: clickId, promo_code: promoCode, customer_id: customerId, amount };
    const request = {
      method: "POST",
      headers: { Authorization: `Bearer ${process.env.HISSA_KEY}`, "Content-Type": "application/json" },
      body: JSON.stringify(order, (_, value) => (value === "" || value === null ? undefined : value)),
      signal: AbortSignal.timeout(2000), // of both tries together
    };
    const url = `${(process.env.HISSA_URL ?? "").replace(/\/+$/, "")}/v1/orders`;
    for (let attempt = 1; attempt <= 2 && !request.signal.aborted; attempt++) {
      try {
        const answer = await fetch(url, request);
        const text = await answer.text();
        if (answer.ok) return JSON.parse(text).result ?? null;
        why = `status ${answer.status}: ${text.trim()}`;
        if (answer.status < 500) break; // the same again would be refused again
      } catch (error) {
        why = String(error.cause ?? error);
      }
      if (attempt === 1) await new Promise((resume) => setTimeout(resume, 100));
    }
  } catch (error) {
    why = String(error);
  }
  console.error(`hissa: order ${orderId} is not bound: ${why}`);
  return null;
}
