<?php
/**
 * Plugin Name: Hissa for WooCommerce
 * Description: Tells Hissa what click and coupon an order came with; hands on Paytm's webhook.
 *
 * Copy this one file to wp-content/mu-plugins/hissa.php, and add to wp-config.php:
 *
 *     define('HISSA_URL', 'https://go.shop.in');
 *     define('HISSA_KEY', 'the key that "hissa key add shop" printed');
 *
 * Paytm's plugin sends order 1042 to Paytm as 1042_20261122101500: set order_suffix = "_" in
 * Hissa's configuration. Needs WooCommerce 4.3 or later.
 *
 * Partners may link to the shop's own pages, https://shop.in/?ref=ASHA, with one line more. 'wait' sends
 * nothing before the visitor consents to marketing, in a banner that knows the WP Consent API:
 *
 *     define('HISSA_SNIPPET', 'now'); // or 'wait'
 *
 * Hissa takes one promo code an order, and the first coupon is sent. To send another:
 *
 *     add_filter('hissa_promo_code', function ($code, $order) { ... return $code; }, 10, 2);
 */

defined('ABSPATH') || exit;

// The classic checkout, then the block checkout: each calls a hook of its own.
add_action('woocommerce_checkout_order_created', 'hissa_order');
add_action('woocommerce_store_api_checkout_order_processed', 'hissa_order');
add_action('plugins_loaded', 'hissa_webhook', 0);
add_action('wp_head', 'hissa_snippet');

/** Puts the snippet into every page, if wp-config.php asks for it. */
function hissa_snippet()
{
    if (!defined('HISSA_SNIPPET')) {
        return;
    }
    $wait = HISSA_SNIPPET === 'wait';
    printf('<script src="%s"%s defer></script>' . "\n", esc_url(rtrim(HISSA_URL, '/') . '/hissa.js'),
        $wait ? ' data-consent="wait"' : '');
    if ($wait) {
        echo <<<'HTML'
<script>
addEventListener('DOMContentLoaded', () => {
  const told = () => window.wp_has_consent && wp_has_consent('marketing') && window.hissa && hissa.consent();
  document.addEventListener('wp_listen_for_consent_change', told);
  told();
});
</script>

HTML;
    }
}

/** Binds a new order. Whatever goes wrong here, the customer can pay. */
function hissa_order($order)
{
    try {
        $click = $_COOKIE['hissa_click'] ?? '';
        if (!is_string($click) || !preg_match('/^clk_[A-Za-z0-9_-]{1,60}$/D', $click)) {
            $click = ''; // a visitor can put anything in a cookie
        }
        $coupons = $order->get_coupon_codes();
        $promo = (string) apply_filters('hissa_promo_code', $coupons[0] ?? '', $order);
        $customer = (int) $order->get_customer_id(); // 0 for a guest
        // No amount: an order that is edited later, or paid in part, would wait for a person.
        hissa_bind(array_filter([
            'order_id' => hissa_order_id($order), 'click_id' => $click, 'promo_code' => $promo,
            'customer_id' => $customer > 0 ? (string) $customer : '',
        ], 'strlen'));
    } catch (Throwable $e) {
        error_log('hissa: ' . $e->getMessage());
    }
}

/** The id that Paytm's plugin sends, without the time that it adds behind. */
function hissa_order_id($order)
{
    $prefix = defined('PaytmConstants::ORDER_PREFIX') ? PaytmConstants::ORDER_PREFIX : '';
    return $prefix . $order->get_id();
}

/** Tells Hissa of an order; two tries, about two seconds in all. */
function hissa_bind($order)
{
    $deadline = microtime(true) + 2;
    for ($try = 1; $try <= 2; $try++) {
        $left = $deadline - microtime(true);
        if ($left < 0.1) {
            break;
        }
        $answer = wp_remote_post(rtrim(HISSA_URL, '/') . '/v1/orders', [
            'timeout' => $left,
            'headers' => [
                'Authorization' => 'Bearer ' . trim(HISSA_KEY),
                'Content-Type' => 'application/json',
            ],
            'body' => wp_json_encode($order),
        ]);
        $status = (int) wp_remote_retrieve_response_code($answer);
        if ($status === 200 || $status === 201) {
            return;
        }
        $why = hissa_why($answer);
        if ($status > 0 && $status < 500) {
            break; // the same again would be refused again
        }
        usleep(100000);
    }
    error_log("hissa: order {$order['order_id']} is not bound: $why");
}

/** Why an answer is not a good one, in words for the log. */
function hissa_why($answer)
{
    if (is_wp_error($answer)) {
        return $answer->get_error_message();
    }
    $status = wp_remote_retrieve_response_code($answer);
    return "status $status: " . trim(wp_remote_retrieve_body($answer));
}

/**
 * Paytm knows one webhook URL for each MID, and Paytm's plugin sets it to the shop's. What arrives
 * there goes on to Hissa byte for byte; then the shop's own handling follows as ever. When Hissa
 * did not take it, Paytm is told so at the very end, and comes again.
 */
function hissa_webhook()
{
    if (strtolower((string) ($_GET['wc-api'] ?? '')) !== 'wc_paytm'
        || ($_GET['webhook'] ?? '') !== 'yes' || $_SERVER['REQUEST_METHOD'] !== 'POST') {
        return;
    }
    $status = 503;
    try {
        $type = $_SERVER['CONTENT_TYPE'] ?? 'application/x-www-form-urlencoded';
        $answer = wp_remote_post(rtrim(HISSA_URL, '/') . '/webhooks/paytm', [
            'timeout' => 5,
            'headers' => ['Content-Type' => $type],
            'body' => (string) file_get_contents('php://input'),
        ]);
        $status = (int) wp_remote_retrieve_response_code($answer) ?: 503;
        $why = hissa_why($answer);
    } catch (Throwable $e) {
        $why = $e->getMessage();
    }
    if ($status === 200) {
        return;
    }
    error_log("hissa: a webhook was not taken: $why");
    ob_start(); // nothing may leave before the status is known
    add_action('shutdown', function () use ($status) {
        http_response_code($status);
    }, 0); // WordPress lets the page go at priority 1
}
