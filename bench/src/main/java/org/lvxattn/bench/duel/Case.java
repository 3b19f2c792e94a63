// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.bench.duel;

import java.util.ArrayList;
import java.util.List;
import org.lvxattn.bench.NamedShape;

/** What is timed: a shape, a pass (forward, backward, decode) and a dtype. */
record Case(NamedShape shape, String pass, String dtype) {
  /** All passes of the shapes in all dtypes. */
  static List<Case> of(List<NamedShape> shapes, List<String> dtypes) {
    List<Case> cases = new ArrayList<>();
    for (NamedShape shape : shapes) {
      for (String dtype : dtypes) {
        if (shape.isDecode()) {
          cases.add(new Case(shape, "decode", dtype));
        } else {
          cases.add(new Case(shape, "forward", dtype));
          cases.add(new Case(shape, "backward", dtype));
        }
      }
    }
    return cases;
  }

  String passOfKernel() {
    return pass.equals("backward") ? "backward" : "forward";
  }

  double flops() {
    return pass.equals("backward") ? shape.sizes().backwardFlops() : shape.sizes().forwardFlops();
  }

  @Override
  public String toString() {
    return shape.word() + " " + pass + " " + dtype;
  }
}
