<?php
// A shop for the tests, served by PHP's own server: the few things of WordPress, WooCommerce and
// Paytm's plugin that woocommerce.php meets, as their documentation describes them, and one page for
// forward.php.

define('ABSPATH', __DIR__ . '/');
define('HISSA_URL', getenv('HISSA_URL'));
define('HISSA_KEY', getenv('HISSA_KEY'));
eval((string) getenv('HISSA_WP_CONFIG')); // a line more of wp-config.php

$hooks = [];

function add_action($name, $function, $priority = 10, $arguments = 1)
{
    global $hooks;
    $hooks[$name][$priority][] = $function;
}

function add_filter($name, $function, $priority = 10, $arguments = 1)
{
    add_action($name, $function, $priority, $arguments);
}

function hooked($name)
{
    global $hooks;
    $priorities = $hooks[$name] ?? [];
    ksort($priorities);
    return array_merge(...array_values($priorities));
}

function apply_filters($name, $value, ...$more)
{
    foreach (hooked($name) as $function) {
        $value = $function($value, ...$more);
    }
    return $value;
}

function do_action($name, ...$arguments)
{
    foreach (hooked($name) as $function) {
        $function(...$arguments);
    }
}

class WP_Error
{
    private $message;

    public function __construct($message)
    {
        $this->message = $message;
    }

    public function get_error_message()
    {
        return $this->message;
    }
}

function is_wp_error($answer)
{
    return $answer instanceof WP_Error;
}

function wp_json_encode($value)
{
    return json_encode($value);
}

function wp_remote_post($url, $arguments)
{
    $headers = [];
    foreach ($arguments['headers'] as $name => $value) {
        $headers[] = "$name: $value";
    }
    $url = str_replace(HISSA_URL, getenv('HISSA_BEHIND') ?: HISSA_URL, $url); // the name is not in any DNS
    $curl = curl_init($url);
    curl_setopt_array($curl, [
        CURLOPT_POST => true,
        CURLOPT_POSTFIELDS => $arguments['body'],
        CURLOPT_HTTPHEADER => $headers,
        CURLOPT_RETURNTRANSFER => true,
        CURLOPT_TIMEOUT_MS => (int) (1000 * $arguments['timeout']),
    ]);
    $body = curl_exec($curl);
    if ($body === false) {
        return new WP_Error(curl_error($curl));
    }
    return ['body' => $body, 'response' => ['code' => curl_getinfo($curl, CURLINFO_RESPONSE_CODE)]];
}

function wp_remote_retrieve_response_code($answer)
{
    return is_wp_error($answer) ? '' : $answer['response']['code'];
}

function wp_remote_retrieve_body($answer)
{
    return is_wp_error($answer) ? '' : $answer['body'];
}

function esc_url($url)
{
    return htmlspecialchars($url, ENT_QUOTES);
}

class PaytmConstants
{
    const ORDER_PREFIX = '';
}

class WC_Order
{
    private $id;
    private $coupons;

    public function __construct($id, $coupons)
    {
        $this->id = $id;
        $this->coupons = $coupons;
    }

    public function get_id()
    {
        return $this->id;
    }

    public function get_coupon_codes()
    {
        return $this->coupons;
    }

    public function get_customer_id()
    {
        return 77;
    }
}

// The page for forward.php.
if (isset($_GET['forward'])) {
    require __DIR__ . '/../forward.php';
    $status = hissa_forward();
    http_response_code($status);
    echo 'The shop saw order ' . ($_POST['ORDERID'] ?? 'in JSON');
    exit;
}

// What WordPress does with every request: shutdown empties the buffers at priority 1.
register_shutdown_function('do_action', 'shutdown');
add_action('shutdown', function () {
    while (ob_get_level() > 0) {
        ob_end_flush();
    }
}, 1);
require __DIR__ . '/../woocommerce.php';
do_action('plugins_loaded');

// Paytm's plugin: its webhook ends the request in the midst of WooCommerce's work.
if (isset($_GET['wc-api'])) {
    echo 'The shop saw order ' . $_POST['ORDERID'];
    exit;
}

// A page of the shop, with a banner that knows the WP Consent API and a checkout.
if (!isset($_GET['hook'])) {
    echo '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>A shop</title><link rel="icon" href="data:">';
    do_action('wp_head');
    echo <<<'HTML'
</head><body><h1>Kanpur Shoes</h1>
<script>
function wp_has_consent(category) { return document.cookie.includes('consent_' + category + '=allow'); }
function wp_set_consent(category, value) {
  document.cookie = 'consent_' + category + '=' + value + '; path=/';
  document.dispatchEvent(new CustomEvent('wp_listen_for_consent_change', { detail: { [category]: value } }));
}
</script>
<button id="accept" onclick="wp_set_consent('marketing', 'allow')">Accept</button>
<form><input type="hidden" name="hook" value="woocommerce_checkout_order_created">
<input name="order" aria-label="Order"><button id="buy">Buy</button></form></body></html>
HTML;
    exit;
}

// A checkout, with the hook of its kind.
if (isset($_GET['filter'])) {
    add_filter('hissa_promo_code', function ($code, $order) {
        return $order->get_coupon_codes()[1];
    }, 10, 2);
}
do_action($_GET['hook'], new WC_Order((int) $_GET['order'], explode(' ', $_GET['coupons'] ?? '')));
echo 'Go and pay';
