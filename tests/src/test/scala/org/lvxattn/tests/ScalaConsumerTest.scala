// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.tests

import org.junit.jupiter.api.Assertions.{assertEquals, assertThrows}
import org.junit.jupiter.api.Test
import org.lvxattn.group.LocalWorld
import org.lvxattn.{CrossAttention, DType, Strategy, Tensor}

import scala.jdk.CollectionConverters.*
import scala.util.Using

/** The library from Scala. */
class ScalaConsumerTest:
  private def attention(strategy: Strategy) =
    CrossAttention.builder().heads(8).keyValueHeads(4).headDim(8).strategy(strategy).build()

  @Test def fourRanksComputeForwardAndBackward(): Unit =
    for strategy <- Strategy.values() do
      val sums = LocalWorld.run(4, group =>
        Using.Manager { use =>
          val device = group.device()
          val q = use(Tensor.allocate(device, DType.FLOAT32, 1, 2, 8, 8))
          val k = use(Tensor.allocate(device, DType.FLOAT32, 1, 5, 4, 8))
          val v = use(Tensor.allocate(device, DType.FLOAT32, 1, 5, 4, 8))
          v.copyFrom(Array.fill(160)(group.rank().toFloat))
          val forward = use(attention(strategy).forward(group, q, k, v))
          val gradients = use(attention(strategy).backward(group, forward, q))
          forward.logSumExp().toFloats.foreach(assertEquals(math.log(20).toFloat, _, 1e-6f))
          forward.output().toFloats.sum + gradients.value().toFloats.sum
        }.get
      )
      // Every logit is 0, so that an output is the mean of the ranks' values: 1.5.
      sums.asScala.foreach(assertEquals(128 * 1.5f, _, 1e-4f))

  @Test def aRankThatFailsEndsTheRun(): Unit =
    val _ = assertThrows(classOf[ArithmeticException], () =>
      val _ = LocalWorld.run(2, group =>
        if group.rank() == 1 then throw ArithmeticException("rank 1 gives up")
        group.barrier()
        0
      )
    )
