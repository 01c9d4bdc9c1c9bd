<?php
// The echo app in PHP: what one browser says, every browser hears.
declare(strict_types=1);

/** Whether Chloe signed the request, not over five minutes ago (standardwebhooks.com). */
function isSigned(string $body, string $secret): bool
{
    $id = $_SERVER["HTTP_WEBHOOK_ID"] ?? "";
    $time = $_SERVER["HTTP_WEBHOOK_TIMESTAMP"] ?? "";
    if (abs(time() - (int) $time) > 300) {
        return false;
    }
    $key = base64_decode(preg_replace("/^whsec_/", "", $secret));
    $expected = "v1," . base64_encode(hash_hmac("sha256", "$id.$time.$body", $key, true));
    foreach (explode(" ", $_SERVER["HTTP_WEBHOOK_SIGNATURE"] ?? "") as $signature) {
        if (hash_equals($expected, $signature)) {
            return true;
        }
    }
    return false;
}

/** Hands a message to Chloe, for every browser, and tells whether Chloe took it. */
function send(array $message): bool
{
    $headers = ["content-type: application/json"];
    if ($key = getenv("CHLOE_API_KEY")) {
        $headers[] = "authorization: Bearer $key";
    }
    $url = (getenv("CHLOE_URL") ?: "http://127.0.0.1:8901") . "/send";
    $answer = @file_get_contents($url, false, stream_context_create(["http" => [
        "method" => "POST",
        "header" => $headers,
        "content" => json_encode($message),
        "timeout" => 5,
    ]]));
    if ($answer === false) {
        error_log(error_get_last()["message"]);
    }
    return $answer !== false;
}

$secret = getenv("CHLOE_SECRET");
$body = file_get_contents("php://input");
if ($secret && !isSigned($body, $secret)) {
    http_response_code(401);
    return;
}
$event = json_decode($body, flags: JSON_THROW_ON_ERROR);
$sent = $event->type !== "message" || send([
    "data" => ["via" => "PHP", "from" => $event->session, "said" => $event->data],
    // Chloe may post an event again: with its id it is still sent only once.
    "id" => $_SERVER["HTTP_WEBHOOK_ID"],
]);
http_response_code($sent ? 204 : 502); // on a 5xx Chloe posts the event again
