// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.tests;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.LinkedHashMap;
import java.util.Map;
import org.lvxattn.errors.RelativeError;

/** Results of an attention problem, combined from all ranks. */
final class Results {
  /** o, lse, dq, dk, dv and, with a bias, dBias: whole tensors in row-major order. */
  final Map<String, double[]> tensors = new LinkedHashMap<>();

  /** Bytes sent by each rank. */
  final long[] forwardBytes;

  final long[] backwardBytes;

  Results(Workload work) {
    tensors.put("o", new double[work.q.length]);
    tensors.put("lse", new double[work.batch * work.heads * work.allQueries()]);
    tensors.put("dq", new double[work.q.length]);
    tensors.put("dk", new double[work.k.length]);
    tensors.put("dv", new double[work.v.length]);
    if (work.bias != null) {
      tensors.put("dBias", new double[work.bias.length]);
    }
    forwardBytes = new long[work.ranks()];
    backwardBytes = new long[work.ranks()];
  }

  double[] tensor(String name) {
    double[] tensor = tensors.get(name);
    if (tensor == null) {
      throw new IllegalArgumentException("no tensor " + name + " among " + tensors.keySet());
    }
    return tensor;
  }

  /** The project's relative error of one tensor; NaN for a failure. */
  double error(String name, Results reference) {
    return RelativeError.of(tensor(name), reference.tensor(name));
  }

  /** Asserts that every tensor is within a bound of the reference. */
  void assertClose(Results reference, double bound, Object problem) {
    for (String name : reference.tensors.keySet()) {
      assertThat(error(name, reference)).as("%s of %s", name, problem).isLessThanOrEqualTo(bound);
    }
  }

  /** Asserts that every tensor has the same bits. */
  void assertSameBits(Results other, Object problem) {
    for (String name : other.tensors.keySet()) {
      assertThat(tensor(name)).as("%s of %s", name, problem).isEqualTo(other.tensor(name));
    }
  }
}
