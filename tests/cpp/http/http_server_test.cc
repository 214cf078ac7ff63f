#include "http/http_server.h"

#include <gtest/gtest.h>

#include <stdexcept>
#include <string_view>
#include <vector>

#include "http/raw_client.h"
#include "tiderace/error.h"

namespace tiderace {
namespace {

HttpResponse greet(const std::string& path) {
  if (path == "/broken") throw std::runtime_error("it is broken");
  return {path == "/hello" ? 200 : 404, "text/plain; charset=utf-8", "about " + path + "\n"};
}

std::string answer(const HttpServer& server, std::string_view request_line, std::string_view rest = "") {
  const RawClient client(server.port());
  client.send(std::string(request_line) + " HTTP/1.1\r\nHost: here\r\nConnection: close\r\n" +
              std::string(rest) + "\r\n");
  return client.rest();
}

std::string body_of(const std::string& answer) {
  const std::size_t end = answer.find("\r\n\r\n");
  return end == std::string::npos ? "" : answer.substr(end + 4);
}

TEST(HttpServer, AnswersGetWithTheHandlersWords) {
  const HttpServer server({}, greet);
  const std::string answered = answer(server, "GET /hello?x=1");
  EXPECT_TRUE(answered.starts_with("HTTP/1.1 200 OK\r\n")) << answered;
  EXPECT_NE(answered.find("Content-Length: 13\r\n"), std::string::npos) << answered;
  EXPECT_EQ(body_of(answered), "about /hello\n");
  EXPECT_TRUE(answer(server, "GET /other").starts_with("HTTP/1.1 404 Not Found\r\n"));
}

TEST(HttpServer, AnswersHeadWithoutTheBody) {
  const HttpServer server({}, greet);
  const std::string answered = answer(server, "HEAD /hello");
  EXPECT_TRUE(answered.starts_with("HTTP/1.1 200 OK\r\n")) << answered;
  EXPECT_NE(answered.find("Content-Length: 13\r\n"), std::string::npos) << answered;
  EXPECT_EQ(body_of(answered), "");
}

TEST(HttpServer, RefusesOtherMethods) {
  const HttpServer server({}, greet);
  const std::string answered = answer(server, "POST /hello", "Content-Length: 0\r\n");
  EXPECT_TRUE(answered.starts_with("HTTP/1.1 405 Method Not Allowed\r\n")) << answered;
  EXPECT_NE(answered.find("Allow: GET, HEAD\r\n"), std::string::npos) << answered;
}

TEST(HttpServer, OneConnectionCarriesSeveralRequests) {
  const HttpServer server({}, greet);
  const RawClient client(server.port());
  client.send(
      "GET /hello HTTP/1.1\r\n\r\nGET /a HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\nConnection: close\r\n\r\n");
  const std::string all = client.rest();
  EXPECT_NE(all.find("about /hello\n"), std::string::npos) << all;
  EXPECT_NE(all.find("about /a\n"), std::string::npos) << all;
  EXPECT_NE(all.find("about /b\n"), std::string::npos) << all;
}

TEST(HttpServer, AHandlerThatThrowsIsAnErrorOfThatRequestAlone) {
  const HttpServer server({}, greet);
  EXPECT_TRUE(answer(server, "GET /broken").starts_with("HTTP/1.1 500 "));
  EXPECT_TRUE(answer(server, "GET /hello").starts_with("HTTP/1.1 200 "));
}

TEST(HttpServer, WhatIsNoHttpIsClosedAndHarmsNobody) {
  const HttpServer server({}, greet);
  for (const std::string& bytes :
       {std::string("\x16\x03\x01 not http\r\n\r\n"), std::string(100, '\0'),
        std::string("GET /hello\r\n\r\n"),
        "GET /" + std::string(7000, 'x') + " HTTP/1.1\r\nX: " + std::string(7000, 'y') + "\r\n\r\n"}) {
    const RawClient client(server.port());
    client.send(bytes);
    EXPECT_EQ(client.rest(), "");
  }
  EXPECT_TRUE(answer(server, "GET /hello").starts_with("HTTP/1.1 200 "));
}

TEST(HttpServer, ClientsThatSayNothingHoldUpNeitherOthersNorTheEnd) {
  std::vector<RawClient> silent;
  {
    const HttpServer server({}, greet);
    for (int i = 0; i < 20; ++i) silent.emplace_back(server.port()).send("GET /hel");
    EXPECT_TRUE(answer(server, "GET /hello").starts_with("HTTP/1.1 200 "));
  }
  for (const RawClient& client : silent) EXPECT_EQ(client.rest(), "");
}

TEST(HttpServer, ConnectionsBeyondTheLimitAreClosed) {
  const HttpServer server({}, greet);
  std::vector<RawClient> silent;
  for (int i = 0; i < 64; ++i) silent.emplace_back(server.port());
  EXPECT_EQ(RawClient(server.port()).rest(), "");
  silent.clear();
  // They are gone once the server has heard of it.
  std::string answered;
  while (answered.empty()) {
    const RawClient client(server.port());
    client.send("GET /hello HTTP/1.0\r\n\r\n");
    answered = client.rest();
  }
  EXPECT_TRUE(answered.starts_with("HTTP/1.0 200 ")) << answered;
}

TEST(HttpServer, SaysWhyItCannotListen) {
  const auto message_of = [](const HttpServerOptions& options) -> std::string {
    try {
      const HttpServer server(options, greet);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::config);
      return error.what();
    }
    return "no error";
  };
  const HttpServer server({}, greet);
  EXPECT_EQ(message_of({.port = server.port()}),
            "cannot listen on 127.0.0.1 port " + std::to_string(server.port()) +
                ": Address already in use; take another port, or stop what uses it");
  EXPECT_EQ(message_of({.address = "localhost"}),
            "cannot listen on \"localhost\": wanted an IP address of this machine, for example 127.0.0.1, or "
            "0.0.0.0 for all");
  EXPECT_TRUE(message_of({.address = "192.0.2.1"}).starts_with("cannot listen on 192.0.2.1 port 0: "));
}

}  // namespace
}  // namespace tiderace
