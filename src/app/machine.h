#pragma once
// What the program agrees on with the machine that it runs on.

#include <filesystem>
#include <string_view>

namespace hearth::app {

/// Tells whoever supervises this process how it is ("READY=1", "STOPPING=1"): a datagram to
/// $NOTIFY_SOCKET, as sd_notify(3) describes it. Nothing happens without that variable.
void tell_supervisor(std::string_view state);

/// Root becomes the owner of `folder`, where that is somebody else: else root's commands would
/// leave files there that the server cannot write, and git would refuse repositories that are not
/// its own. Does nothing for others, and while the folder is not there. Throws Error.
void work_as_owner_of(const std::filesystem::path& folder);

}  // namespace hearth::app
