#pragma once
// What a new repository holds (hub-api 4.1, 6.7).

#include <map>
#include <string>

#include "hub/repositories.h"

namespace hearth::hub {

/// The files of the first commit, by path: the defaults of its type, replaced by those wanted.
std::map<std::string, std::string> initial_files(const NewRepo& wanted);

}  // namespace hearth::hub
