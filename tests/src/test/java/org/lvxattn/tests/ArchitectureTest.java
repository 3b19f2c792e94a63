// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.tests;

import static com.tngtech.archunit.core.domain.JavaCall.Predicates.target;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.tngtech.archunit.base.DescribedPredicate;
import com.tngtech.archunit.core.domain.AccessTarget;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.lang.ArchRule;
import java.lang.foreign.MemorySegment;
import java.util.Map;
import java.util.Set;
import java.util.logging.Logger;
import jdk.jfr.Event;
import org.junit.jupiter.api.Test;
import org.lvxattn.Tensor;
import org.lvxattn.cli.output.Json;

/** Who may call what. */
class ArchitectureTest {
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

  private static final Module JAVA_BASE = Object.class.getModule();

  /** The library does without it where it is not there. */
  private static final Module FLIGHT_RECORDER = Event.class.getModule();

  /** What can crash the JVM is done by the bindings alone. */
  private static final ArchRule RESTRICTED_CALLS =
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

  /** Users get no library with this one. */
  private static final ArchRule LIBRARY_NEEDS =
      classes()
          .that()
          .resideInAPackage("org.lvxattn..")
          .and()
          .resideOutsideOfPackage("org.lvxattn.cli..")
          .should()
          .onlyDependOnClassesThat(
              DescribedPredicate.describe(
                  "are its own, of java.base or jdk.jfr, or annotations of JSpecify",
                  ArchitectureTest::isAllowedInTheLibrary));

  /** The arrow points from the command to the library. */
  private static final ArchRule DIRECTION =
      noClasses()
          .that()
          .resideOutsideOfPackage("org.lvxattn.cli..")
          .should()
          .dependOnClassesThat()
          .resideInAPackage("org.lvxattn.cli..");

  private static final JavaClasses PRODUCT =
      new ClassFileImporter()
          .withImportOption(ImportOption.Predefined.DO_NOT_INCLUDE_TESTS)
          .importPackages("org.lvxattn");

  private static boolean isAllowedInTheLibrary(JavaClass target) {
    String name = target.getBaseComponentType().getName();
    return target.getBaseComponentType().isPrimitive()
        || name.startsWith("org.jspecify.annotations.")
        || (name.startsWith("org.lvxattn.") && !name.startsWith("org.lvxattn.cli."))
        || FLIGHT_RECORDER.getPackages().contains(target.getBaseComponentType().getPackageName())
        || JAVA_BASE.getPackages().contains(target.getBaseComponentType().getPackageName());
  }

  @Test
  void theWholeProductIsLookedAt() {
    assertThat(PRODUCT.contain(Tensor.class)).isTrue();
    assertThat(PRODUCT.contain(Json.class)).isTrue();
    assertThat(PRODUCT.contain("org.lvxattn.bindings.generated.Lvx")).isTrue();
    assertThat(PRODUCT.contain(Offender.class)).isFalse();
  }

  @Test
  void restrictedCallsStayInTheBindings() {
    RESTRICTED_CALLS.check(PRODUCT);
  }

  @Test
  void theLibraryNeedsNothingElse() {
    LIBRARY_NEEDS.check(PRODUCT);
    assertThatThrownBy(
            () -> LIBRARY_NEEDS.check(new ClassFileImporter().importClasses(Offender.class)))
        .isInstanceOf(AssertionError.class)
        .hasMessageContaining("java.util.logging.Logger");
  }

  @Test
  void theCommandIsAboveTheLibrary() {
    DIRECTION.check(PRODUCT);
  }

  @Test
  void theRuleFindsARestrictedCall() {
    JavaClasses classes = new ClassFileImporter().importClasses(Offender.class);
    assertThatThrownBy(() -> RESTRICTED_CALLS.check(classes))
        .isInstanceOf(AssertionError.class)
        .hasMessageContaining("reinterpret");
  }

  /** What the rule is there to catch. */
  static final class Offender {
    private Offender() {}

    @SuppressWarnings("restricted")
    static MemorySegment offend(Logger logger) {
      logger.info("a module that java.base is not");
      return MemorySegment.NULL.reinterpret(8);
    }
  }
}
