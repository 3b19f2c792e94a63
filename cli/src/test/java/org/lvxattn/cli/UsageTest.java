// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Bad usage: exit code 2, one clear line on stderr, nothing on stdout, no stack trace. */
class UsageTest {
  @TempDir private Path folder;

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "                                   | Missing required subcommand",
        "fly                                | 'fly'",
        "run --layers x                     | expected an integer from 1 on",
        "run --policy KEEP                  | go with --layers alone",
        "run --layers 1 --policy DROP       | expected KEEP, RECOMPUTE, RECOMPUTE_TILED or all",
        "run --layers 1 --scale-width 2     | expected above 0 up to 1",
        "run --layers 1 --shape 1,2,3,4,2,8 | not with --shape",
        "run --layers 1 --group gloo        | over local ranks",
        "run --layers 1 --frames 0          | numbers from 1 on",
        "run --layers 1 --check --dtype float16 | for float32 and float64",
        "run --layers 1 --model mplug-owl3-1b --frames 9 --text 9 | --text above --frames",
        "memory --fit 0                     | expected GiB above 0",
        "train-demo --model gpt             | expected one of llama3v, openflamingo, mplug-owl3",
        "train-demo --optimizer adagrad     | expected adam or sgd",
        "train-demo --dtype bfloat16        | expected float64 or float32",
        "train-demo --learning-rate 0       | learningRate is 0.0",
        "train-demo --chart loss.gif        | expected a name ending in .svg or .png",
        "run --ranks 0                      | expected an integer from 1 on",
        "run --ranks x                      | expected an integer from 1 on",
        "run --repeat -1                    | expected an integer from 1 on",
        "run --dtype int32                  | expected float64, float32, bfloat16 or float16",
        "run --dtype fp32                   | unknown dtype 'fp32'",
        "run --strategy FAST                | expected one of [AUTO",
        "run --group tcp                    | unknown group 'tcp', expected local or gloo or mpi",
        "run --device gpu                   | unknown device 'gpu', expected cpu, cuda or cuda:i",
        "run --device cuda --group gloo     | joins CPUs",
        "run --device cuda --intra 1        | emulate links between CPUs",
        "run --attention-backend cudnn                 | goes with --device cuda",
        "kernel --attention-backend fast               | unknown backend 'fast', expected lvx,"
            + " cudnn or auto",
        "kernel --device cuda --threads 2   | --threads are a CPU",
        "run --model gpt                    | unknown model 'gpt', expected one of llama3v-11b",
        "run --shape 1,2,3                  | has 3 numbers, expected B,Sq,Skv,Hq,Hkv,D",
        "run --shape 1,2,3,4,5,x            | expected an integer",
        "run --shape 1,2,3,4,3,64           | a multiple of the 3 key heads",
        "run --shape 1,2,3,4,2,12           | a multiple of 8 up to 256",
        "run --shape 1,2,3,4,2,264          | a multiple of 8 up to 256",
        "run --shape 1,2,3,4,2,64 --text 3  | --shape sets all sizes",
        "run --frames -1                    | expected numbers from 0 on",
        "run --video no/such/folder         | is not a folder",
        "verify                             | Missing required parameter",
        "verify no/such/folder              | no such file or folder",
        "verify . --strategy FAST            | unknown strategy 'FAST', expected all or one of",
        "verify . --group gloo --ranks 2,3  | expected one number of --ranks, got 2,3",
        "verify . --ranks 1,0               | expected an integer from 1 on",
        "run --intra fast                   | expected GB/s or GB/s,us",
        "run --intra 1,2,3                  | expected GB/s or GB/s,us",
        "run --inter 1                      | need --ranks-per-node",
        "compare --chart times.gif          | expected a name ending in .svg or .png",
        "plan --tflops 0                    | expected a number above 0",
        "plan --preset b300                 | expected one of a100-25",
        "plan --density 2                   | a number above 0 up to 1",
        "kernel --pass sideways             | forward, backward, decode",
        "kernel --pass decode --text 3      | a single query",
        "kernel --pass decode --shape 1,2,3,4,2,64 | a single query",
      })
  void isExplained(@Nullable String commandLine, String message) {
    String[] words = commandLine == null ? new String[0] : commandLine.split(" +");
    Lvx lvx = Lvx.run(words);
    assertThat(lvx.code()).isEqualTo(2);
    assertThat(lvx.out()).isEmpty();
    assertThat(lvx.err()).startsWith("lvx: ").containsIgnoringCase(message);
    assertThat(lvx.err()).doesNotContain("\tat ");
  }

  @Test
  void parseErrorsPointToTheHelp() {
    assertThat(Lvx.run("run", "--rank", "3").err()).contains("Try 'lvx run --help'");
  }

  @Test
  void anEmptyFolderHoldsNothingToVerify() {
    Lvx lvx = Lvx.run("verify", folder.toString());
    assertThat(lvx.code()).isEqualTo(2);
    assertThat(lvx.err()).contains("holds no *.safetensors files");
  }

  @Test
  void aPictureThatIsNoneIsNamed() throws IOException {
    Path picture = Files.writeString(folder.resolve("frame.png"), "no picture");
    Lvx lvx = Lvx.run("run", "--video", folder.toString());
    assertThat(lvx.code()).isEqualTo(2);
    assertThat(lvx.err()).contains(picture.toString());
  }

  @Test
  void stackTracesAreForDebugging() {
    Lvx lvx = Lvx.run("verify", folder.toString(), "--debug");
    assertThat(lvx.err()).contains("\tat ").contains("holds no *.safetensors files");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"run", "compare", "plan", "memory", "verify", "kernel", "train-demo", "doctor"})
  void everyCommandHasHelp(String command) {
    Lvx lvx = Lvx.run(command, "--help");
    assertThat(lvx.code()).isZero();
    assertThat(lvx.out()).contains("Usage: lvx " + command).contains("--json");
    assertThat(Lvx.run("--help").out()).contains(command);
  }
}
