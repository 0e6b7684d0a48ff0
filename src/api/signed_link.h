#pragma once
// URLs that carry a right of their own, for clients that follow them without a credential: LFS
// uploads and downloads.
//
// The signature covers purpose, path and query. The right is that of the caller who was given the
// link, on the repository it was given for, and it is asked again when the link is used: the link
// dies with the credential, with the right, and with its time.

#include <cstdint>
#include <string>
#include <string_view>

#include "api/api.h"

namespace hearth::api {

struct Link {
  std::string_view purpose;  // A word; a link for one purpose is none for another.
  std::string path;          // Begins with '/'.
  Query query = {};          // What the handler reads from call.query.
  int64_t lifetime_s = 3600;
};

/// Signs for the caller and repository of this call; an absolute URL.
std::string sign_link(const Call& call, Link link);

/// Checks the signature and time of the request's URL, and that whoever it was signed for may still
/// do `action`. Sets call.identity and the call's repository. Throws kForbidden when the link is
/// not ours or too old; otherwise what Access says.
void check_link(Call& call, std::string_view purpose, hub::RepoAction action);

// The parameters of every signed link, for the lists of the rows that take one.
inline constexpr QueryParameter kLinkRepo{.name = "repo",
                                          .type = QueryParameter::Type::kText,
                                          .what = "The id of the repository.",
                                          .required = true};
inline constexpr QueryParameter kLinkWho{.name = "who",
                                         .type = QueryParameter::Type::kText,
                                         .what = "The credential that the link was made with."};
inline constexpr QueryParameter kLinkExpiry{.name = "exp",
                                            .type = QueryParameter::Type::kNumber,
                                            .what = "Until when, in seconds since 1970.",
                                            .required = true};
inline constexpr QueryParameter kLinkSignature{.name = "sig",
                                               .type = QueryParameter::Type::kText,
                                               .what = "The signature; the last of the query.",
                                               .required = true};

}  // namespace hearth::api
