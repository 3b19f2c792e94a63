// SPDX-License-Identifier: Apache-2.0
// The address of a machine whose own name is unknown, or resolves to an address that other machines cannot use.
#include "group/tcp/address.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

#include "base/error.h"
#include "group/tcp/socket.h"

namespace lvx::test {
namespace {

TcpAddress v4(const char* text) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  EXPECT_EQ(inet_pton(AF_INET, text, &address.sin_addr), 1);
  return TcpAddress::of(reinterpret_cast<const sockaddr*>(&address));
}

TcpAddress v6(const char* text) {
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  EXPECT_EQ(inet_pton(AF_INET6, text, &address.sin6_addr), 1);
  return TcpAddress::of(reinterpret_cast<const sockaddr*>(&address));
}

NameLookup finding(std::vector<TcpAddress> addresses) {
  return [=](const std::string&, std::string& error) {
    error = "nobody knows it";
    return addresses;
  };
}

TcpAddress own_by(const std::vector<TcpAddress>& addresses) { return resolve_own("", finding(addresses)); }

// As in containers, whose names do not resolve. The test expects an address to which others can connect.
TEST(OwnAddress, OfAHostWhoseNameIsUnknownIsThatOfAnInterface) {
  std::string asked;
  const TcpAddress own = resolve_own("", [&](const std::string& name, std::string& error) {
    asked = name;
    error = "Name or service not known";
    return std::vector<TcpAddress>();
  });
  EXPECT_FALSE(asked.empty());
  EXPECT_FALSE(own.is_link_local());
  const Socket listener = Socket::listening(own, 1);
  EXPECT_EQ(listener.address().text(), own.text());
  const Socket caller = Socket::connecting(listener.address());
  TcpAddress from;
  Socket taken;
  while (taken.none()) taken = listener.accept(from);
}

TEST(OwnAddress, OfWhatOthersCannotUseIsThatOfAnInterface) {
  const TcpAddress interfaces = own_by({});
  EXPECT_EQ(own_by({v6("fe80::1")}).text(), interfaces.text());
  EXPECT_EQ(own_by({v4("192.0.2.1")}).text(), interfaces.text()) << "of another machine";
  EXPECT_EQ(own_by({v4("0.0.0.0"), v4("224.0.0.1"), v6("::")}).text(), interfaces.text());
}

// Debian's 127.0.1.1 is used only if there is no address that other machines can reach, but before the loopback device's own
// address.
TEST(OwnAddress, OnTheLoopbackDeviceComesLast) {
  const TcpAddress interfaces = own_by({});
  const TcpAddress named = own_by({v4("127.0.1.1")});
  EXPECT_EQ(named.text(), interfaces.is_loopback() ? "127.0.1.1" : interfaces.text());
}

TEST(OwnAddress, BySomeNameIsTheFirstThatServes) {
  EXPECT_EQ(resolve_own("here", finding({v4("192.0.2.1"), v4("127.0.0.3")})).text(), "127.0.0.3");
  try {
    resolve_own("elsewhere", finding({v4("192.0.2.1")}));
    FAIL() << "an address of another machine";
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), LVX_INVALID_ARGUMENT);
    EXPECT_STREQ(error.what(),
                 "host: 'elsewhere' is 192.0.2.1, which is no address of this machine; expected a name or an "
                 "address of this machine by which the others reach it");
  }
  try {
    resolve_own("nowhere", finding({}));
    FAIL() << "an unknown name";
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), LVX_INVALID_ARGUMENT);
    EXPECT_NE(std::string(error.what()).find("'nowhere' cannot be resolved (nobody knows it)"),
              std::string::npos)
        << error.what();
  }
}

}  // namespace
}  // namespace lvx::test
