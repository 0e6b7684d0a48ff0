#include <filesystem>
#include <fstream>
#include <string>

#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "metrics/metrics.h"

namespace hearth::metrics {
namespace {

/// Pages in use, from /proc/self/statm: all, and in memory (proc(5)).
std::pair<uint64_t, uint64_t> memory_bytes() {
  uint64_t all = 0;
  uint64_t resident = 0;
  std::ifstream("/proc/self/statm") >> all >> resident;
  const auto page_bytes = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  return {all * page_bytes, resident * page_bytes};
}

double seconds_of(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

double open_files() {
  namespace fs = std::filesystem;
  const auto count = std::distance(fs::directory_iterator("/proc/self/fd"), {});
  return static_cast<double>(count - 1);  // But for the one that reads the folder.
}

double now_s() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

}  // namespace

void add_process_families(Registry& registry, std::string_view version) {
  registry.add(
      {{"process_cpu_seconds_total", Kind::kCounter, "CPU time of this process, without children."},
       {"process_resident_memory_bytes", Kind::kGauge, "Memory in use."},
       {"process_virtual_memory_bytes", Kind::kGauge, "Address space in use."},
       {"process_open_fds", Kind::kGauge, "Open files and sockets."},
       {"process_max_fds", Kind::kGauge, "Open files and sockets that are allowed."},
       {"process_start_time_seconds", Kind::kGauge, "When this process began, as Unix time."},
       {"hearth_build_info", Kind::kGauge, "1, with the version of the program as its label."}},
      [start_s = now_s(), version = std::string(version)](Samples& out) {
        rusage usage{};
        getrusage(RUSAGE_SELF, &usage);
        rlimit files{};
        getrlimit(RLIMIT_NOFILE, &files);
        const auto [all_bytes, resident_bytes] = memory_bytes();
        out.add("process_cpu_seconds_total",
                seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime));
        out.add("process_resident_memory_bytes", static_cast<double>(resident_bytes));
        out.add("process_virtual_memory_bytes", static_cast<double>(all_bytes));
        out.add("process_open_fds", open_files());
        out.add("process_max_fds", static_cast<double>(files.rlim_cur));
        out.add("process_start_time_seconds", start_s);
        out.add("hearth_build_info", 1, {{"version", version}});
      });
}

}  // namespace hearth::metrics
