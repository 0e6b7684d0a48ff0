#!/bin/sh
# CPU seconds of Hearth's HTTP layer and of nginx for the same work, in the same run.
#
#   bench/http.sh BUILD_DIR [ROUNDS]
#
# Needs wrk, curl and nginx (Debian packages wrk, curl, nginx-light). The server runs on core 0, the
# client on core 1. A figure is user + system time of the server's processes; wall clock is not
# reported, since machines are shared.
set -eu
build=$1
rounds=${2:-3}
work=$(mktemp -d)
trap 'kill $pids 2>/dev/null || true; rm -rf "$work"' EXIT
pids=

head -c 1073741824 /dev/zero >"$work/file"
mkdir "$work/tmp"
printf '{"text":"%088d"}' 0 >"$work/json"
cat >"$work/nginx.conf" <<CONF
daemon off; worker_processes 1; master_process off; pid $work/nginx.pid; error_log $work/error.log;
events { worker_connections 256; }
http {
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000; types { }
  client_max_body_size 0; client_body_temp_path $work/tmp; proxy_temp_path $work/tmp;
  fastcgi_temp_path $work/tmp; uwsgi_temp_path $work/tmp; scgi_temp_path $work/tmp;
  open_file_cache max=10 inactive=60s;
  server { listen 127.0.0.1:18082; root $work; }
}
CONF

taskset -c 0 "$build/bin/http_bench" 18081 "$work/file" &
hearth=$!
taskset -c 0 nginx -c "$work/nginx.conf" -p "$work" 2>/dev/null &
nginx=$!
pids="$hearth $nginx"
sleep 1

# User and system time of a process, in ticks of 10 ms.
ticks() { awk '{print $14 + $15}' "/proc/$1/stat"; }
requests() {
  before=$(ticks "$1")
  count=$(taskset -c 1 wrk -t1 -c32 -d3s "http://127.0.0.1:$2/json" | awk '/requests in/ {print $1}')
  after=$(ticks "$1")
  echo "$count $((after - before))" | awk '{printf "%.0f", $1 / ($2 / 100)}'
}
gibibyte() {
  before=$(ticks "$1")
  taskset -c 1 curl -s -o /dev/null "http://127.0.0.1:$2/file"
  after=$(ticks "$1")
  echo "$((after - before))" | awk '{printf "%.2f", $1 / 100}'
}
upload() {
  before=$(ticks "$1")
  taskset -c 1 curl -s -o /dev/null -T "$work/file" -H Expect: "http://127.0.0.1:$2/sink"
  after=$(ticks "$1")
  echo "$((after - before))" | awk '{printf "%.2f", $1 / 100}'
}

echo "round  requests/CPU s: hearth nginx ratio   CPU s/GiB down: hearth nginx   CPU s/GiB up: hearth"
for round in $(seq "$rounds"); do
  h=$(requests $hearth 18081)
  n=$(requests $nginx 18082)
  hf=$(gibibyte $hearth 18081)
  nf=$(gibibyte $nginx 18082)
  hu=$(upload $hearth 18081)
  ratio=$(echo "$h $n" | awk '{printf "%.2f", $1 / $2}')
  echo "$round  $h $n $ratio   $hf $nf   $hu"
done
