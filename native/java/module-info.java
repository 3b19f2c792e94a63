// SPDX-License-Identifier: Apache-2.0

/**
 * The native libraries of lvxattn for Linux on x86-64 as resources; no classes.
 *
 * <p>A named module, so that {@code org.lvxattn} can require it and applications on the module path
 * (or in a run-time image) find the natives without any further option.
 */
module org.lvxattn.natives.linux.x86_64 {}
