<?php
// Tells Hissa which order this visitor is about to pay. Call it when the order is made, before the
// customer is sent to Paytm:
//
//     hissa_bind('1042', null, 'ASHA10', '77', '1499.00');
//
// The environment holds HISSA_URL (https://go.shop.in, your public_url) and HISSA_KEY (what
// "hissa key add shop" printed). PHP-FPM hides the environment: name both in its pool file, as
// env[HISSA_KEY] = "...". Needs PHP 7.1 or later with the curl extension.

/**
 * Binds an order to the click in the visitor's cookie, a promo code and a customer. It never
 * throws, and keeps the checkout no longer than two seconds, a second try included.
 *
 * @param string      $order_id    the ORDERID that Paytm will be told
 * @param string|null $click_id    the click; null reads the cookie hissa_click, '' is none
 * @param string|null $promo_code  the code that the customer typed in
 * @param string|null $customer_id your own id of the customer
 * @param string|null $amount      rupees, like "1499.00"; a payment of another amount is held
 * @return string|null bound, same or replaced; null when it is not bound, and the log says why
 */
function hissa_bind($order_id, $click_id = null, $promo_code = null, $customer_id = null,
    $amount = null)
{
    if ($click_id === null) {
        $click_id = $_COOKIE['hissa_click'] ?? '';
    }
    if (!is_string($click_id) || !preg_match('/^clk_[A-Za-z0-9_-]{1,60}$/D', $click_id)) {
        $click_id = ''; // a visitor can put anything in a cookie
    }
    $order = array_filter([
        'order_id' => (string) $order_id, 'click_id' => $click_id,
        'promo_code' => (string) $promo_code, 'customer_id' => (string) $customer_id,
        'amount' => (string) $amount,
    ], 'strlen');
    $deadline = microtime(true) + 2;
    for ($try = 1; $try <= 2; $try++) {
        $left = (int) (1000 * ($deadline - microtime(true)));
        if ($left < 50) {
            break;
        }
        [$status, $answer, $error] = hissa_post(json_encode($order), $left);
        if ($status === 200 || $status === 201) {
            return json_decode($answer, true)['result'] ?? null;
        }
        $why = $status > 0 ? "status $status: $answer" : $error;
        if ($status > 0 && $status < 500) {
            break; // the same again would be refused again
        }
        usleep(100000);
    }
    error_log("hissa: order $order_id is not bound: " . trim($why));
    return null;
}

/** Posts one body; returns the status (0 without an answer), the answer, and why there is none. */
function hissa_post($body, $milliseconds)
{
    $curl = curl_init(rtrim((string) getenv('HISSA_URL'), '/') . '/v1/orders');
    curl_setopt_array($curl, [
        CURLOPT_POST => true,
        CURLOPT_POSTFIELDS => $body,
        CURLOPT_HTTPHEADER => [
            'Authorization: Bearer ' . trim((string) getenv('HISSA_KEY')),
            'Content-Type: application/json',
        ],
        CURLOPT_RETURNTRANSFER => true,
        CURLOPT_TIMEOUT_MS => $milliseconds,
        CURLOPT_NOSIGNAL => true, // without it, older builds of curl can't wait less than a second
    ]);
    $answer = curl_exec($curl);
    return [curl_getinfo($curl, CURLINFO_RESPONSE_CODE), (string) $answer, curl_error($curl)];
}
