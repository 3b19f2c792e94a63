// SPDX-License-Identifier: Apache-2.0
// After every test, checks that the interpreter has detected no errors: races, reads of unwritten memory, copies in progress
// when a warp ends.
#include <gtest/gtest.h>

#include <cstdint>
#include <iostream>
#include <sstream>
#include <string>

// Functions of ptxrun, which documents them.
extern "C" {
std::uint64_t ptxrun_findings(char* text, std::uint64_t room);
void ptxrun_clear_findings();
void ptxrun_statistics(char* text, std::uint64_t room);
void ptxrun_dump(const char* folder);
int ptxrun_decode_all();
}

namespace {

std::string text_by(void (*write)(char*, std::uint64_t)) {
  std::string text(1 << 20, '\0');
  write(text.data(), text.size());
  text.resize(text.find('\0'));
  return text;
}

class NoFindings : public ::testing::EmptyTestEventListener {
  void OnTestEnd(const ::testing::TestInfo&) override {
    const std::string text = text_by([](char* to, std::uint64_t room) { ptxrun_findings(to, room); });
    ptxrun_clear_findings();
    if (!text.empty()) ADD_FAILURE() << "the interpreter has noticed:\n" << text;
  }
};

// The number of executed kernels, and the coverage of their PTX.
void print_coverage() {
  std::istringstream lines(text_by(ptxrun_statistics));
  std::string line;
  std::uint64_t kernels = 0, warp_instructions = 0, hit = 0, all = 0;
  while (std::getline(lines, line)) {
    std::istringstream fields(line.substr(line.find('\t')));
    std::uint64_t launches = 0, executed = 0, own_hit = 0, own_all = 0;
    fields >> launches >> executed >> own_hit >> own_all;
    ++kernels;
    warp_instructions += executed;
    hit += own_hit;
    all += own_all;
  }
  std::cout << "ptxrun: " << kernels << " of " << ptxrun_decode_all() << " kernels ran, " << hit << " of "
            << all << " instructions of their PTX, " << warp_instructions << " warp instructions\n";
}

}  // namespace

// With --dump FOLDER, writes the PTX there and exits.
int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  if (argc == 3 && std::string(argv[1]) == "--dump") {
    ptxrun_dump(argv[2]);
    return 0;
  }
  ::testing::UnitTest::GetInstance()->listeners().Append(new NoFindings);
  const int result = RUN_ALL_TESTS();
  print_coverage();
  return result;
}
