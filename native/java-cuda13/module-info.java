// SPDX-License-Identifier: Apache-2.0

/**
 * The CUDA device of lvxattn for Linux on x86-64, built with CUDA 13, as a resource.
 *
 * <p>The service has no other purpose than that the JVM resolves this module where it is on the
 * module path.
 */
module org.lvxattn.natives.cuda13 {
  provides java.util.function.Supplier with
      org.lvxattn.natives.cuda13.Binding;
}
