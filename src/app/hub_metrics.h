#pragma once
// What a running hub measures, beside what is counted of each request (api/request_metrics).
// docs/operating.md says what each is good for.

#include <optional>

#include "app/instance.h"

namespace hearth::app {

/// Tasks, what is stored, the disk, the database, backups and collections of garbage.
void add_hub_metrics(Instance& instance);
/// Connections and the pool of the server, and its certificate.
void add_server_metrics(Instance& instance, const http::Server& server,
                        const std::optional<http::TlsFiles>& tls);

}  // namespace hearth::app
