#include "app/checks.h"

#include <netdb.h>
#include <sys/resource.h>
#include <sys/statvfs.h>

#include "app/readiness.h"
#include "base/process.h"
#include "base/text.h"
#include "base/time.h"
#include "http/certificate.h"

namespace hearth::app {
namespace {

constexpr uint64_t kFreeBytesLow = uint64_t{5} << 30;  // Below this an upload may soon fail.
constexpr int64_t kExpirySoonMs = int64_t{21} * 24 * 3600 * 1000;  // certbot renews at 30 days.
constexpr rlim_t kOpenFilesLow = 4096;  // A socket and a file a download.

CheckedPart part_of(std::string name, blob::VerifyReport report) {
  return {std::move(name), report.checked_count, std::move(report.problems)};
}

Finding fine(std::string what) {
  return {Finding::Level::kFine, std::move(what), {}};
}
Finding advice(std::string what, std::string advice) {
  return {Finding::Level::kAdvice, std::move(what), std::move(advice)};
}
Finding wrong(std::string what, std::string advice) {
  return {Finding::Level::kWrong, std::move(what), std::move(advice)};
}

Finding check_git() {
  try {
    ChildResult result = run_child({.argv = {"git", "--version"}}, {}, std::chrono::seconds(10));
    if (result.status == 0) return fine("git: " + std::string(trim(result.out)));
  } catch (const Error&) {
    // Said below.
  }
  return wrong("git cannot be started", "Install it: apt-get install git");
}

Finding check_disk(const Settings& settings) {
  struct statvfs info;
  if (::statvfs(settings.data_dir.c_str(), &info) != 0) {
    return wrong("the disk of the data folder cannot be read", "Check --data and its permissions.");
  }
  uint64_t free_bytes = uint64_t{info.f_bavail} * info.f_frsize;
  std::string what = "free disk: " + std::to_string(free_bytes >> 30) + " GiB";
  if (auto problem = data_folder_problem(settings.data_dir)) {
    return wrong(what + ". " + *problem, "Until then /ready tells load balancers to go elsewhere.");
  }
  if (free_bytes < kFreeBytesLow) return wrong(what, "Make room, or move the data folder.");
  return fine(what);
}

Finding check_open_files() {
  struct rlimit limit;
  ::getrlimit(RLIMIT_NOFILE, &limit);
  std::string what = "open files allowed: " + std::to_string(limit.rlim_cur);
  if (limit.rlim_cur < kOpenFilesLow) {
    return advice(what, "Raise it for many clients: ulimit -n 65536, or LimitNOFILE= in systemd.");
  }
  return fine(what);
}

std::string host_of(std::string_view url) {
  size_t begin = url.find("://");
  std::string_view rest = begin == std::string_view::npos ? url : url.substr(begin + 3);
  return std::string(rest.substr(0, rest.find_first_of(":/")));
}

std::string days(int64_t from_ms, int64_t to_ms) {
  return std::to_string((to_ms - from_ms) / (int64_t{24} * 3600 * 1000)) + " days";
}

void check_certificate(const Settings& settings, int64_t now_ms, std::vector<Finding>& findings) {
  const http::TlsFiles files{settings.tls_cert, settings.tls_key};
  http::CertificateFacts facts;
  try {
    facts = http::read_certificate(files);
  } catch (const Error& error) {
    findings.push_back(wrong(error.message(), "Check --tls-cert and --tls-key."));
    return;
  }
  if (!facts.key_matches) {
    findings.push_back(wrong("the TLS key does not belong to the certificate",
                             "Name the key that the certificate was made with."));
  }
  if (facts.not_after_ms < now_ms) {
    findings.push_back(wrong("the TLS certificate has expired",
                             "Put a new pair in its place; a "
                             "running hub takes it up within ten seconds."));
  } else if (facts.not_before_ms > now_ms) {
    findings.push_back(
        wrong("the TLS certificate is not valid yet", "Check this machine's clock."));
  } else if (facts.not_after_ms - now_ms < kExpirySoonMs) {
    findings.push_back(advice("the TLS certificate expires in " + days(now_ms, facts.not_after_ms),
                              "Renew it; a running hub takes the new one up by itself."));
  } else {
    findings.push_back(fine("TLS certificate of " + facts.subject + ": valid for " +
                            days(now_ms, facts.not_after_ms)));
  }
  if (facts.key_readable_by_others) {
    findings.push_back(advice("the TLS key can be read by others than its owner",
                              "chmod 600 " + settings.tls_key));
  }
  const std::string host = settings.public_url.empty() ? "" : host_of(settings.public_url);
  std::string names;
  for (const std::string& name : facts.names) names += (names.empty() ? "" : ", ") + name;
  if (facts.names.empty()) {
    findings.push_back(wrong("the TLS certificate names no host",
                             "Clients look at subjectAltName "
                             "only: make one with the hub's name there."));
  } else if (host.empty()) {
    findings.push_back(fine("the TLS certificate is for: " + names));
  } else if (!http::certificate_covers(files, host)) {
    findings.push_back(wrong("the TLS certificate is for " + names + ", not for " + host,
                             "Clients will refuse it: make one for the host of --public-url."));
  }
  if (facts.self_signed) {
    findings.push_back(advice("the TLS certificate is signed by itself",
                              "Each client has to be told to trust it: docs/tls.md."));
  }
}

/// The datasets library asks datasets-server.<host> at every load (hub-api section 0).
Finding check_viewer_host(const Settings& settings) {
  std::string host = settings.public_url.empty() ? "localhost" : host_of(settings.public_url);
  std::string viewer = "datasets-server." + host;
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  int error = ::getaddrinfo(viewer.c_str(), nullptr, &hints, &found);
  if (found != nullptr) ::freeaddrinfo(found);
  if (error != 0) {
    return advice(viewer + " does not resolve",
                  "The datasets library asks that name at each load and goes on without it; make "
                  "it an alias of this hub (DNS, or a line in /etc/hosts of the clients).");
  }
  return fine(viewer + " resolves");
}

}  // namespace

std::vector<CheckedPart> verify(Instance& instance) {
  std::vector<CheckedPart> parts;
  try {
    parts.push_back({"database", 1, instance.database->integrity_problems()});
  } catch (const Error& error) {
    parts.push_back({"database", 1, {std::string("the database cannot be read: ") + error.what()}});
    return parts;
  }
  parts.push_back(part_of("blobs", instance.blobs.verify()));
  parts.push_back(part_of("xorbs", instance.large_files.verify_xorbs()));
  parts.push_back(part_of("shards", instance.large_files.verify_shards()));
  parts.push_back(part_of("xet files", instance.large_files.verify_files()));
  parts.push_back(part_of("index of xorbs", instance.large_files.verify_index()));
  parts.push_back(part_of("large objects", instance.large_files.verify_objects()));
  hub::RepoProblems repos = instance.parts.repositories.verify();
  parts.push_back({"repositories", repos.checked_count, std::move(repos.problems)});
  return parts;
}

std::vector<Finding> examine(const Settings& settings, Instance* instance,
                             const std::string& why_not) {
  std::vector<Finding> findings;
  findings.push_back(check_git());
  if (!settings.tls_cert.empty() || !settings.tls_key.empty()) {
    check_certificate(settings, system_clock().now_ms(), findings);
  }
  if (instance == nullptr) {
    findings.push_back(
        wrong("the data folder cannot be opened: " + why_not, "Check --data and --database."));
    return findings;
  }
  findings.push_back(fine("data folder: " + instance->settings.data_dir.string()));
  findings.push_back(
      fine(std::string("database: ") +
           (instance->database->engine() == db::Engine::kSqlite ? "SQLite" : "PostgreSQL") +
           ", schema version " + std::to_string(instance->database->schema_version())));
  findings.push_back(check_disk(instance->settings));
  findings.push_back(check_open_files());
  findings.push_back(check_viewer_host(settings));
  findings.push_back(DataLock::is_held(instance->settings.data_dir)
                         ? fine("a server is running on this folder")
                         : advice("no server is running on this folder", "Start it: hearth serve"));
  if (instance->accounts.needs_setup()) {
    findings.push_back(advice("the hub has no administrator yet",
                              "Run: hearth user add NAME --admin, or open the link that 'hearth "
                              "serve' prints."));
  }
  auto failed = instance->tasks.list({.state = hub::TaskState::kFailed});
  if (!failed.empty()) {
    findings.push_back(wrong(std::to_string(failed.size()) + " tasks have failed, the last: " +
                                 failed.front().kind + ": " + failed.front().error.value_or(""),
                             "The log says more; the cause has to be mended by hand."));
  } else {
    findings.push_back(fine("no task has failed"));
  }
  auto damaged = instance->scrubber.damaged();
  if (damaged.empty()) {
    findings.push_back(fine("no stored file is known to be damaged; all was read since " +
                            iso8601_ms(instance->scrubber.oldest_ms())));
  } else {
    findings.push_back(wrong(
        std::to_string(damaged.size()) + " stored files are damaged, one: " + damaged.front().kind +
            " " + damaged.front().name,
        "See 'hearth scrub --list' and docs/storage.md. Look after the disk."));
  }
  const bool beyond_this_machine =
      !settings.listen.starts_with("127.0.0.1") && !settings.listen.starts_with("localhost");
  if (settings.trust_forwarded && beyond_this_machine) {
    findings.push_back(advice("the hub believes X-Forwarded-For, and listens beyond this machine",
                              "Whoever gets past the proxy can say any address: listen on "
                              "127.0.0.1, or see to it that only the proxy gets there."));
  }
  if (settings.public_url.empty() && beyond_this_machine) {
    findings.push_back(advice("the hub listens beyond this machine without a --public-url",
                              "Set it, so that links do not follow what a client calls the hub."));
  }
  return findings;
}

}  // namespace hearth::app
