// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli;

import org.lvxattn.NativeInfo;
import picocli.CommandLine.IVersionProvider;

/** The version of the native library, which is built together with this command. */
final class VersionOfBuild implements IVersionProvider {
  @Override
  public String[] getVersion() {
    return new String[] {"lvx " + NativeInfo.load().version()};
  }
}
