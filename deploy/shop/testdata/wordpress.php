<?php
// A shop for the tests, served by PHP's own server: the few things of WordPress, WooCommerce and
// Paytm's plugin that woocommerce.php meets, as their documentation describes them, and one page for
// forward.php.

define('ABSPATH', __DIR__ . '/');
define('HISSA_URL', getenv('HISSA_URL'));
define('HISSA_KEY', getenv('HISSA_KEY'));

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

// A checkout, with the hook of its kind.
if (isset($_GET['filter'])) {
    add_filter('hissa_promo_code', function ($code, $order) {
        return $order->get_coupon_codes()[1];
    }, 10, 2);
}
do_action($_GET['hook'], new WC_Order((int) $_GET['order'], explode(' ', $_GET['coupons'] ?? '')));
echo 'Go and pay';
