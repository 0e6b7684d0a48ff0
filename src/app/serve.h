#pragma once

#include "app/settings.h"

namespace hearth::app {

/// Serves until SIGTERM or SIGINT, then drains. Prints "listening on http://ADDRESS:PORT" (https
/// with a certificate; a line for each address) on standard output once requests are answered, and
/// on the first start how to become the administrator. A changed certificate is taken up within ten
/// seconds, and at SIGHUP at once. Returns the exit status.
int serve(const Settings& settings);

}  // namespace hearth::app
