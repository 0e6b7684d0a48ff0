#include "app/machine.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include <grp.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/log.h"

namespace hearth::app {

void tell_supervisor(std::string_view state) {
  const char* path = std::getenv("NOTIFY_SOCKET");
  if (path == nullptr || *path == '\0') return;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const size_t length = std::strlen(path);
  if (length >= sizeof address.sun_path) return;
  std::memcpy(address.sun_path, path, length);
  if (address.sun_path[0] == '@') address.sun_path[0] = '\0';  // An abstract name.
  Fd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const auto address_bytes = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length);
  if (!socket || ::sendto(socket.get(), state.data(), state.size(), MSG_NOSIGNAL,
                          reinterpret_cast<const sockaddr*>(&address), address_bytes) < 0) {
    log_warning("the supervisor could not be told {}: {}", state, std::strerror(errno));
  }
}

void work_as_owner_of(const std::filesystem::path& folder) {
  struct stat status{};
  if (::geteuid() != 0 || ::stat(folder.c_str(), &status) != 0 || status.st_uid == 0) return;
  std::vector<char> text(16 * 1024);
  passwd entry{};
  passwd* found = nullptr;
  ::getpwuid_r(status.st_uid, &entry, text.data(), text.size(), &found);
  const bool grouped = found != nullptr ? ::initgroups(found->pw_name, found->pw_gid) == 0
                                        : ::setgroups(0, nullptr) == 0;
  const gid_t group = found != nullptr ? found->pw_gid : status.st_gid;
  if (!grouped || ::setgid(group) != 0 || ::setuid(status.st_uid) != 0) {
    throw_errno("becoming the owner of the data folder", errno);
  }
}

}  // namespace hearth::app
