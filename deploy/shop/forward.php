<?php
// For a shop that already uses Paytm's one webhook URL: hands each message on to Hissa. Call it
// first thing in the shop's own webhook handler, and answer Paytm with what it returns once the
// handler has done its work:
//
//     $status = hissa_forward();
//     ... what the shop does with the payment ...
//     http_response_code($status);
//
// Only the webhook is handed on, never the page that the customer's browser comes back to. The
// environment holds HISSA_URL (https://go.shop.in, your public_url). Needs PHP 7.1 or later with
// the curl extension.

/**
 * Posts the body that Paytm sent, byte for byte and under its own Content-Type, to Hissa. Never
 * build it again from $_POST: Paytm signed the values as they came.
 *
 * @return int Hissa's status. 503 when Hissa can't be reached: Paytm then comes again with the
 *             same message, so the shop's handler must be able to see a message twice.
 */
function hissa_forward()
{
    $curl = curl_init(rtrim((string) getenv('HISSA_URL'), '/') . '/webhooks/paytm');
    curl_setopt_array($curl, [
        CURLOPT_POST => true,
        CURLOPT_POSTFIELDS => (string) file_get_contents('php://input'),
        CURLOPT_HTTPHEADER => [
            'Content-Type: ' . ($_SERVER['CONTENT_TYPE'] ?? 'application/x-www-form-urlencoded'),
        ],
        CURLOPT_RETURNTRANSFER => true,
        CURLOPT_TIMEOUT_MS => 5000,
        CURLOPT_NOSIGNAL => true,
    ]);
    curl_exec($curl);
    return curl_getinfo($curl, CURLINFO_RESPONSE_CODE) ?: 503;
}
