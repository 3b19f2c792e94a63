// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Random;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.lvxattn.testing.Seeds;

class ShardedSafetensorsTest {
  private static final String INDEX =
      """
      {"metadata": {"total_size": 5, "more": [1.5e3, null, {"x": true}]},
       "weight_map": {"b": "two.safetensors", "a": "one.safetensors"}}
      """;

  @TempDir private Path folder;
  private Path index;

  @BeforeEach
  void write() throws IOException {
    index = folder.resolve("model.safetensors.index.json");
    Files.write(
        folder.resolve("one.safetensors"),
        SafetensorsFiles.file(
            "{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}", 2));
    Files.write(
        folder.resolve("two.safetensors"),
        SafetensorsFiles.file(
            "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},"
                + "\"b\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[4,7]}}",
            7));
    Files.writeString(index, INDEX);
  }

  @Test
  void readsAllFilesAsOneSet() throws IOException {
    ShardedSafetensors set = ShardedSafetensors.open(index);
    assertThat(set.tensors().keySet()).containsExactly("b", "a");
    assertThat(set.files()).hasSize(2);
    assertThat(set.tensor("b").data().toArray(ValueLayout.JAVA_BYTE)).containsExactly(4, 5, 6);
    assertThat(set.tensor("a").shape()).as("where the index says").containsExactly(2);
    assertThatIllegalArgumentException()
        .isThrownBy(() -> set.tensor("c"))
        .withMessageContaining("no tensor \"c\"; it holds 2 tensors: \"b\", \"a\"");
    StoredTensor a = set.tensor("a");
    set.close();
    set.close();
    assertThatIllegalStateException().isThrownBy(() -> a.data().get(ValueLayout.JAVA_BYTE, 0));
  }

  @Test
  void opensWhateverTheCheckpointIs() throws IOException {
    try (StoredTensors set = StoredTensors.open(folder)) {
      assertThat(set).isInstanceOf(ShardedSafetensors.class);
    }
    try (StoredTensors set = StoredTensors.open(index)) {
      assertThat(set).isInstanceOf(ShardedSafetensors.class);
    }
    Path single = folder.resolve("model.safetensors");
    Files.copy(folder.resolve("one.safetensors"), single);
    Files.delete(index);
    try (StoredTensors set = StoredTensors.open(folder);
        StoredTensors same = StoredTensors.open(single)) {
      assertThat(set.tensors().keySet()).isEqualTo(same.tensors().keySet());
    }
    Files.delete(single);
    assertThatThrownBy(() -> StoredTensors.open(folder))
        .isInstanceOf(NoSuchFileException.class)
        .hasMessageContaining("model.safetensors.index.json or model.safetensors");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "{'weight_map':{'c':'one.safetensors'}}|which has none; it holds 1 tensor: \"a\"",
        "{'weight_map':{'a':'three.safetensors'}}|there is none",
        "{'weight_map':{'a':'../one.safetensors'}}|the name of a file beside the index",
        "{'weight_map':{'a':'/etc/passwd'}}|the name of a file beside the index",
        "{'weight_map':{'a':''}}|the name of a file beside the index",
        "{'weight_map':{'a':'..'}}|the name of a file beside the index",
        "{'weight_map':{'a':'x\\u0000'}}|the name of a file beside the index",
        "{'weight_map':{'a':'one.safetensors','a':'two.safetensors'}}|a second tensor named",
        "{'weight_map':{},'weight_map':{}}|a second \"weight_map\"",
        "{'weight_map':{'a':1}}|expected '\"'",
        "{'metadata':{}}|expected a member \"weight_map\"",
        "{'metadata':01,'weight_map':{}}|expected a value",
        "{'metadata':nul,'weight_map':{}}|expected a value",
        "{'metadata':}|expected a value",
        "{'weight_map':{}} x|expected the text to end",
        "[]|expected '{'",
      })
  void refusesIndices(String text, String message) throws IOException {
    Files.writeString(index, text.replace('\'', '"'));
    assertThatThrownBy(() -> ShardedSafetensors.open(index))
        .isInstanceOf(SafetensorsException.class)
        .hasMessageStartingWith(index + ", byte ")
        .hasMessageContaining(message);
  }

  @Test
  void deepNestingIsRefusedNotFollowed() throws IOException {
    Files.writeString(index, "{\"metadata\":" + "[".repeat(2_000_000));
    assertThatThrownBy(() -> ShardedSafetensors.open(index))
        .isInstanceOf(SafetensorsException.class)
        .hasMessageContaining("nested");
  }

  @Test
  void aMissingIndexIsNotAMalformedOne() {
    assertThatThrownBy(() -> ShardedSafetensors.open(folder.resolve("absent.json")))
        .isInstanceOf(NoSuchFileException.class);
  }

  /** A damaged index is rejected, or every tensor that it names is in its file. */
  @Test
  void damagedIndicesAreRefusedOrReadAsTheyAre() throws IOException {
    byte[] original = INDEX.getBytes(StandardCharsets.UTF_8);
    int refused = 0;
    int mutations = 2_000;
    for (int seed = 0; seed < mutations; seed++) {
      Random random = Seeds.random(seed);
      byte[] damaged = original.clone();
      int at = random.nextInt(damaged.length);
      damaged[at] =
          random.nextBoolean()
              ? (byte) "{}[]\":,.-+0 \\uabe".charAt(random.nextInt(17))
              : (byte) random.nextInt(256);
      Files.write(index, damaged);
      try (ShardedSafetensors set = ShardedSafetensors.open(index)) {
        set.tensors()
            .forEach(
                (name, tensor) -> {
                  assertThat(tensor.name()).isEqualTo(name);
                  assertThat(tensor.data().get(ValueLayout.JAVA_BYTE, 0))
                      .isEqualTo((byte) (name.equals("b") ? 4 : 0));
                });
      } catch (SafetensorsException e) {
        assertThat(e).hasMessageContaining(", byte ");
        refused++;
      }
    }
    assertThat(refused).isBetween(mutations / 2, mutations - 1);
  }
}
