#include "gateway/net/static_files.h"

#include <gtest/gtest.h>
#include <tiderace/error.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "temporary_directory.h"

namespace tiderace::gateway {
namespace {

constexpr uid_t somebody_else = 65'534;

/// A folder of pages that everybody may enter.
struct Pages {
  Pages() { std::filesystem::permissions(folder.path(), std::filesystem::perms{0755}); }
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(std::filesystem::path(folder.path()) / name) << text;
  }
  TemporaryDirectory folder;
};

/// Root reads every file, so it is somebody else for as long as this lives.
struct NotRoot {
  NotRoot() {
    if (is_root && seteuid(somebody_else) != 0) throw std::runtime_error("seteuid");
  }
  ~NotRoot() {
    if (is_root && seteuid(0) != 0) std::abort();
  }
  NotRoot(const NotRoot&) = delete;
  NotRoot& operator=(const NotRoot&) = delete;
  const bool is_root = geteuid() == 0;
};

TEST(GatewayStaticFiles, AreServedWhole) {
  const Pages pages;
  pages.write("index.html", "");
  const std::string large(3 * (64 << 10), 'x');  // as many reads as a multiple of them
  pages.write("large.js", large);
  pages.write("odd.css", "p {}");
  const StaticFiles files(pages.folder.path());
  ASSERT_NE(files.find("/"), nullptr);
  EXPECT_EQ(files.find("/")->body, "");
  EXPECT_EQ(files.find("/large.js")->body, large);
  EXPECT_EQ(files.find("/odd.css")->body, "p {}");
  EXPECT_EQ(files.find("/odd.css")->content_type, "text/css; charset=utf-8");
  EXPECT_EQ(files.find("/none.css"), nullptr);
}

TEST(GatewayStaticFiles, APageThatCannotBeReadIsNamedAndNotServedEmpty) {
  const Pages pages;
  pages.write("index.html", "<p>hello</p>");
  std::filesystem::permissions(pages.folder.path() + "/index.html", std::filesystem::perms::none);
  const NotRoot not_root;
  try {
    const StaticFiles files(pages.folder.path());
    FAIL() << "served with " << files.find("/")->body.size() << " bytes";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::config);
    EXPECT_NE(std::string(error.what()).find("/index.html: wanted a page that the gateway's user may read"),
              std::string::npos)
        << error.what();
  }
}

}  // namespace
}  // namespace tiderace::gateway
