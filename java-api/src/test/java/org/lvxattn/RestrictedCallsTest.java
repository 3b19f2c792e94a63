// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import static com.tngtech.archunit.core.domain.JavaCall.Predicates.target;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.tngtech.archunit.base.DescribedPredicate;
import com.tngtech.archunit.core.domain.AccessTarget;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.lang.ArchRule;
import java.lang.foreign.MemorySegment;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** Only the bindings may do what can crash the JVM. */
class RestrictedCallsTest {
  /** The restricted methods of Java 25, by class. */
  private static final Map<String, Set<String>> RESTRICTED =
      Map.of(
          "java.lang.foreign.MemorySegment", Set.of("reinterpret"),
          "java.lang.foreign.AddressLayout", Set.of("withTargetLayout"),
          "java.lang.foreign.Linker", Set.of("downcallHandle", "upcallStub"),
          "java.lang.foreign.SymbolLookup", Set.of("libraryLookup"),
          "java.lang.System", Set.of("load", "loadLibrary"),
          "java.lang.Runtime", Set.of("load", "loadLibrary"),
          "java.lang.ModuleLayer$Controller", Set.of("enableNativeAccess"));

  private static final ArchRule RULE =
      noClasses()
          .that()
          .resideOutsideOfPackage("org.lvxattn.bindings..")
          .should()
          .callMethodWhere(
              target(
                  DescribedPredicate.describe(
                      "is a restricted method",
                      (AccessTarget target) ->
                          RESTRICTED
                              .getOrDefault(target.getOwner().getName(), Set.of())
                              .contains(target.getName()))));

  @Test
  void restrictedCallsStayInTheBindings() {
    JavaClasses classes =
        new ClassFileImporter()
            .withImportOption(ImportOption.Predefined.DO_NOT_INCLUDE_TESTS)
            .importPackages("org.lvxattn");
    assertThat(classes.contain(Tensor.class)).isTrue();
    RULE.check(classes);
  }

  @Test
  void theRuleFindsARestrictedCall() {
    JavaClasses classes = new ClassFileImporter().importClasses(Offender.class);
    assertThatThrownBy(() -> RULE.check(classes))
        .isInstanceOf(AssertionError.class)
        .hasMessageContaining("reinterpret");
  }

  /** What the rule is there to catch. */
  static final class Offender {
    private Offender() {}

    @SuppressWarnings("restricted")
    static MemorySegment offend() {
      return MemorySegment.NULL.reinterpret(8);
    }
  }
}
