// Tells Hissa which order this visitor is about to pay. Call it when the order is made, before the
// customer is sent to Paytm:
//
//     await hissaBind("1042", hissaClick(request.headers.cookie), "ASHA10", "77", "1499.00");
//
// The environment holds HISSA_URL (https://go.shop.in, your public_url) and HISSA_KEY (what
// "hissa key add shop" printed). Needs Node.js 18 or later and nothing else.

const click = /(?:^|;\s*)hissa_click="?(clk_[A-Za-z0-9_-]{1,60})"?\s*(?:;|$)/;

/** The click in a Cookie header, "" when there is none. */
export function hissaClick(cookieHeader) {
  return click.exec(cookieHeader ?? "")?.[1] ?? "";
}

/**
 * Binds an order to a click, a promo code and a customer; what is unknown may be "". amount is
 * rupees like "1499.00": a payment of another amount is held. It never throws, and keeps the
 * checkout no longer than two seconds, a second try included. Resolves to "bound", "same" or
 * "replaced"; to null when the order is not bound, and the log says why.
 */
export async function hissaBind(orderId, clickId, promoCode, customerId, amount) {
  const order = { order_id: orderId, click_id: clickId, promo_code: promoCode };
  let why = "";
  try {
    const signal = AbortSignal.timeout(2000); // of both tries together
    for (let attempt = 1; attempt <= 2 && !signal.aborted; attempt++) {
      try {
        const answer = await post({ ...order, customer_id: customerId, amount }, signal);
        const text = await answer.text();
        if (answer.ok) return JSON.parse(text).result ?? null;
        why = `status ${answer.status}: ${text.trim()}`;
        if (answer.status < 500) break; // the same again would be refused again
      } catch (error) {
        why = String(error.cause ?? error);
      }
      await new Promise((resume) => setTimeout(resume, 100));
    }
  } catch (error) {
    why = String(error);
  }
  console.error(`hissa: order ${orderId} is not bound: ${why}`);
  return null;
}

function post(order, signal) {
  const key = (process.env.HISSA_KEY ?? "").trim();
  // Without this, fetch would repeat an unusable key in its error.
  if (!/^[!-~]+$/.test(key)) throw new Error("HISSA_KEY holds no key");
  return fetch(`${(process.env.HISSA_URL ?? "").replace(/\/+$/, "")}/v1/orders`, {
    method: "POST",
    headers: { Authorization: `Bearer ${key}`, "Content-Type": "application/json" },
    body: JSON.stringify(order),
    signal,
  });
}
