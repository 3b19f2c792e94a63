// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.group;

import org.jspecify.annotations.Nullable;

/**
 * The task of each rank of {@link LocalWorld#run}.
 *
 * @param <R> type of the result
 */
@FunctionalInterface
public interface RankTask<R extends @Nullable Object> {
  /**
   * Runs on the rank's own thread.
   *
   * @param group this rank's part in the group; it and its device are closed when this returns
   */
  R run(Group group) throws Exception;
}
