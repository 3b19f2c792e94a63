// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.tests;

import static com.tngtech.archunit.core.domain.JavaCall.Predicates.target;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.methods;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.tngtech.archunit.base.DescribedPredicate;
import com.tngtech.archunit.core.domain.AccessTarget;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.domain.JavaMethod;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.lang.ArchCondition;
import com.tngtech.archunit.lang.ArchRule;
import com.tngtech.archunit.lang.ConditionEvents;
import com.tngtech.archunit.lang.SimpleConditionEvent;
import com.tngtech.archunit.library.dependencies.SliceAssignment;
import com.tngtech.archunit.library.dependencies.SliceIdentifier;
import com.tngtech.archunit.library.dependencies.SlicesRuleDefinition;
import java.lang.foreign.MemorySegment;
import java.util.Map;
import java.util.Set;
import java.util.logging.Logger;
import java.util.stream.Stream;
import jdk.jfr.Event;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.lvxattn.Tensor;
import org.lvxattn.cli.output.Json;
import org.lvxattn.internal.Closing;
import org.lvxattn.tests.cycle.lower.Lower;
import org.lvxattn.tests.cycle.upper.Upper;

/** Rules for dependencies between modules and packages. */
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

  private static final String[] ABOVE_THE_LIBRARY = {
    "org.lvxattn.cli..", "org.lvxattn.oracle..", "org.lvxattn.errors.."
  };

  private static final Module JAVA_BASE = Object.class.getModule();

  /** Optional: the library works without it. */
  private static final Module FLIGHT_RECORDER = Event.class.getModule();

  /** Only the bindings call methods that can crash the JVM. */
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

  /** The library has no dependencies. */
  private static final ArchRule LIBRARY_NEEDS =
      classes()
          .that()
          .resideInAPackage("org.lvxattn..")
          .and()
          .resideOutsideOfPackages(ABOVE_THE_LIBRARY)
          .should()
          .onlyDependOnClassesThat(
              DescribedPredicate.describe(
                  "are its own, of java.base or jdk.jfr, or annotations of JSpecify",
                  ArchitectureTest::isAllowedInTheLibrary));

  /** The command and the test oracle depend on the library, not the reverse. */
  private static final ArchRule DIRECTION =
      noClasses()
          .that()
          .resideOutsideOfPackages(ABOVE_THE_LIBRARY)
          .should()
          .dependOnClassesThat()
          .resideInAnyPackage(ABOVE_THE_LIBRARY);

  /** The test oracle does not depend on the command. */
  private static final ArchRule JUDGES =
      noClasses()
          .that()
          .resideInAnyPackage("org.lvxattn.errors..", "org.lvxattn.oracle..")
          .should()
          .dependOnClassesThat()
          .resideInAPackage("org.lvxattn.cli..");

  /** Every package is a slice, including non-exported packages and the root package. */
  private static final ArchRule NO_CYCLES =
      SlicesRuleDefinition.slices()
          .assignedFrom(
              new SliceAssignment() {
                @Override
                public SliceIdentifier getIdentifierOf(JavaClass each) {
                  return each.getPackageName().startsWith("org.lvxattn")
                      ? SliceIdentifier.of(each.getPackageName())
                      : SliceIdentifier.ignore();
                }

                @Override
                public String getDescription() {
                  return "packages";
                }
              })
          .namingSlices("package $1")
          .should()
          .beFreeOfCycles();

  /** Signatures of exported classes have only exported types. */
  private static final ArchRule SIGNATURES =
      methods()
          .that()
          .arePublic()
          .and()
          .areDeclaredInClassesThat()
          .arePublic()
          .and()
          .areDeclaredInClassesThat()
          .resideOutsideOfPackages("org.lvxattn.internal..", "org.lvxattn.bindings..")
          .should(
              new ArchCondition<JavaMethod>("have exported types alone in their signatures") {
                @Override
                public void check(JavaMethod method, ConditionEvents events) {
                  Stream.concat(
                          method.getRawParameterTypes().stream(),
                          Stream.of(method.getRawReturnType()))
                      .map(JavaClass::getBaseComponentType)
                      .filter(ArchitectureTest::isHidden)
                      .forEach(
                          type ->
                              events.add(
                                  SimpleConditionEvent.violated(
                                      method, method.getFullName() + " names " + type.getName())));
                }
              });

  private static boolean isHidden(JavaClass type) {
    return type.getPackageName().startsWith("org.lvxattn.internal")
        || type.getPackageName().startsWith("org.lvxattn.bindings");
  }

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
    JUDGES.check(PRODUCT);
  }

  @Test
  void theRuleFindsARestrictedCall() {
    JavaClasses classes = new ClassFileImporter().importClasses(Offender.class);
    assertThatThrownBy(() -> RESTRICTED_CALLS.check(classes))
        .isInstanceOf(AssertionError.class)
        .hasMessageContaining("reinterpret");
  }

  @Test
  void noPackagesDependOnEachOther() {
    NO_CYCLES.check(PRODUCT);
  }

  @Test
  void theRuleFindsACycleOfPackages() {
    JavaClasses classes = new ClassFileImporter().importClasses(Upper.class, Lower.class);
    assertThatThrownBy(() -> NO_CYCLES.check(classes))
        .isInstanceOf(AssertionError.class)
        .hasMessageContaining("Cycle detected")
        .hasMessageContaining("org.lvxattn.tests.cycle.upper");
  }

  @Test
  void signaturesNameWhatIsExported() {
    SIGNATURES.check(PRODUCT);
  }

  @Test
  void theRuleFindsAHiddenTypeInASignature() {
    JavaClasses classes = new ClassFileImporter().importClasses(Offender.class);
    assertThatThrownBy(() -> SIGNATURES.check(classes))
        .isInstanceOf(AssertionError.class)
        .hasMessageContaining("names org.lvxattn.internal.Closing");
  }

  /** Violations that the rules must find. */
  public static final class Offender {
    private Offender() {}

    /** Has a non-exported class in its signature. */
    public static @Nullable Closing hidden() {
      return null;
    }

    @SuppressWarnings("restricted")
    static MemorySegment offend(Logger logger) {
      logger.info("a module that java.base is not");
      return MemorySegment.NULL.reinterpret(8);
    }
  }
}
