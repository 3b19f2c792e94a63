# SPDX-License-Identifier: Apache-2.0
#
# ./lvx format; sourced by lvx.

format_needs() {
  missing_packages <<'EOF'
cmake cmake
mvn maven
clang-format clang-format
EOF
}

command_format() {
  takes_nothing format "$@"
  mkdir -p "$state"
  set_up format_needs
  # With the module that other builds leave out; nothing is compiled or downloaded for it.
  logged "formatting Java" maven -Pspark spotless:apply || exit 1
  logged "formatting C and C++" cmake -DFIX=ON -P "$home/cmake/CheckFormat.cmake" || exit 1
}
