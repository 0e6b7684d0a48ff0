#pragma once

#include "app/settings.h"

namespace hearth::app {

/// Serves until SIGTERM or SIGINT, then drains. Prints "listening on http://ADDRESS:PORT" on
/// standard output once requests are answered, and on the first start how to become the
/// administrator. Returns the exit status.
int serve(const Settings& settings);

}  // namespace hearth::app
