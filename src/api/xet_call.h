#pragma once
// What the routes of the Xet protocol share (private to xet_*.cc).

#include <memory>
#include <string>

#include "api/api.h"
#include "xet/token.h"
#include "xet/xet.h"

namespace hearth::api {

/// Where the CAS stands below the public URL. Clients keep their caches per CAS URL, so this does
/// not change lightly. The telemetry of hf-xet ignores it and goes to the root.
inline constexpr std::string_view kCasPath = "/cas";

/// Checks of the CAS's rows: the Xet token is ours and not too old, the credential behind it lives,
/// and its owner may still do this to the repository. Sets call.identity and the repository.
/// Throws kUnauthenticated, kForbidden (a read token that writes), or what Access says.
void check_cas_read(Call& call);
void check_cas_write(Call& call);

/// The parameter {hash}, or Error{kInvalid}.
xet::MerkleHash hash_param(const Call& call);
/// The signer of tokens and data URLs.
xet::Signer signer_of(const Call& call);
/// Who asks the store for what.
xet::Caller cas_caller(const Call& call);
/// Whether the caller may read the files of a repository; keeps what it needs and remembers its
/// answers, so that it may outlive the call.
xet::MayReadRepo may_read_of(const Call& call);

/// POST of a shard: the answer that streams progress, and the plain one.
http::Response post_shard_v2(Call& call);
http::Response post_shard_v1(Call& call);

}  // namespace hearth::api
