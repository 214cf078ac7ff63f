#!/usr/bin/env bash
# Builds Debian's librdkafka with cmake/librdkafka.patch, as FOLDER/librdkafka.a, from Debian's own source package.
# Nothing happens if that is there already. Usage: tools/librdkafka.sh FOLDER
set -euo pipefail
patch_file=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)/cmake/librdkafka.patch
mkdir -p "$1" && cd "$1"

# shellcheck disable=SC2016
version=$(dpkg-query -W -f '${source:Version}' librdkafka-dev)
wanted="$version $(sha256sum < "$patch_file")"
[ "$(cat stamp 2> /dev/null)" != "$wanted" ] || exit 0
rm -rf source work librdkafka.a stamp
mkdir -p source work/lists/partial work/cache/archives/partial work/sources

# The places where this machine has its packages from, asked for sources, in lists of our own: no setting of the
# system changes, and apt checks what it fetches as ever.
for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
  [ ! -f "$file" ] || sed -n 's/^deb /deb-src /p' "$file" > "work/sources/$(basename "$file" .list).list"
done
for file in /etc/apt/sources.list.d/*.sources; do
  [ ! -f "$file" ] || sed 's/^Types:.*/Types: deb-src/' "$file" > "work/sources/$(basename "$file")"
done
apt=(apt-get -q -o Dir::Etc::sourcelist=/dev/null -o "Dir::Etc::sourceparts=$PWD/work/sources"
  -o "Dir::State::lists=$PWD/work/lists" -o "Dir::Cache=$PWD/work/cache" -o "APT::Sandbox::User=$(id -un)")
"${apt[@]}" update
(cd work && "${apt[@]}" source --download-only "librdkafka=$version")

tar -xf work/librdkafka_*.orig.tar.* -C source --strip-components 1
patch -d source -p1 < "$patch_file"
cmake -S source -B work/build -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_POSITION_INDEPENDENT_CODE=ON \
  -DRDKAFKA_BUILD_STATIC=ON -DRDKAFKA_BUILD_EXAMPLES=OFF -DRDKAFKA_BUILD_TESTS=OFF -DENABLE_LZ4_EXT=OFF \
  -DWITH_SSL=ON -DWITH_SASL=ON -DWITH_ZLIB=ON -DWITH_ZSTD=ON -DWITH_CURL=OFF
cmake --build work/build --target rdkafka ${JOBS:+--parallel "$JOBS"}
mv work/build/src/librdkafka.a .
rm -rf source work
echo "$wanted" > stamp
