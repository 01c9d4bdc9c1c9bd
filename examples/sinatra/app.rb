# The echo app for Sinatra: what one browser says, every browser hears.
require "json"
require "net/http"
require "openssl"
require "sinatra"

SECRET = ENV["CHLOE_SECRET"].to_s
API_KEY = ENV["CHLOE_API_KEY"].to_s
SEND = URI("#{ENV.fetch("CHLOE_URL", "http://127.0.0.1:8901")}/send")

set :bind, "127.0.0.1"
set :port, ENV.fetch("PORT", 4567)

helpers do
  # Whether Chloe signed the request, not over five minutes ago (standardwebhooks.com).
  def signed?(payload)
    names = %w[ID TIMESTAMP SIGNATURE]
    id, time, signatures = names.map { |name| env["HTTP_WEBHOOK_#{name}"].to_s }
    return false if (Time.now.to_i - time.to_i).abs > 300

    key = SECRET.delete_prefix("whsec_").unpack1("m")
    digest = OpenSSL::HMAC.digest("SHA256", key, "#{id}.#{time}.#{payload}")
    expected = "v1,#{[digest].pack("m0")}"
    signatures.split.any? { |signature| Rack::Utils.secure_compare(expected, signature) }
  end
end

post "/updates" do
  payload = request.body.read
  halt 401 unless SECRET.empty? || signed?(payload)

  event = JSON.parse(payload)
  halt 204 unless event["type"] == "message"

  message = {
    data: { via: "Sinatra", from: event["session"], said: event["data"] },
    id: env["HTTP_WEBHOOK_ID"], # Chloe may post an event again: it is still sent only once
  }
  headers = { "content-type" => "application/json" }
  headers["authorization"] = "Bearer #{API_KEY}" unless API_KEY.empty?
  answer = Net::HTTP.post(SEND, JSON.generate(message), headers)
  answer.is_a?(Net::HTTPSuccess) ? 204 : 502 # on a 5xx Chloe posts the event again
end
