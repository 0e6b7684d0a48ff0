// The command list of a push, whole and in pieces.

#include "git/pktline.h"
#include "git/receive_pack.h"

namespace hearth {

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ByteView input(data, size);
  auto whole = git::parse_push_request(input);
  if (whole && *whole) {
    const git::PushRequest& request = **whole;
    HEARTH_ASSERT(request.consumed_bytes <= size, "no byte is read twice or beyond the end");
    for (const git::PushCommand& command : request.commands) {
      HEARTH_ASSERT(!command.ref.empty(), "a command names a reference");
    }
    // What was enough stays enough, whatever follows; less never is.
    auto exact = git::parse_push_request(input.first(request.consumed_bytes));
    HEARTH_ASSERT(exact && *exact, "the bytes up to the flush packet are the request");
    auto less = git::parse_push_request(input.first(request.consumed_bytes - 1));
    HEARTH_ASSERT(less && !*less, "one byte less is not yet a request");
  }
  auto packet = git::internal::parse_packet(input);
  if (packet && *packet) {
    HEARTH_ASSERT((*packet)->size_bytes <= size, "a packet ends within the input");
  }
  return 0;
}

}  // namespace hearth
