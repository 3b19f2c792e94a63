// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.tests

import org.lvxattn.CrossAttention
import org.lvxattn.DType
import org.lvxattn.Mask
import org.lvxattn.Tensor
import org.lvxattn.group.LocalWorld

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Test
import kotlin.math.ln

/** The library from Kotlin, whose compiler reads our null annotations. */
class KotlinConsumerTest {
    private val attention = CrossAttention.builder().heads(4).keyValueHeads(2).headDim(8).build()

    @Test
    fun `four ranks compute forward and backward`() {
        val sums = LocalWorld.run(4) { group ->
            val device = group.device()
            Tensor.allocate(device, DType.FLOAT32, 1, 2, 4, 8).use { q ->
                Tensor.allocate(device, DType.FLOAT32, 1, 5, 2, 8).use { k ->
                    Tensor.allocate(device, DType.FLOAT32, 1, 5, 2, 8).use { v ->
                        v.copyFrom(FloatArray(80) { group.rank().toFloat() })
                        attention.forward(group, q, k, v).use { forward ->
                            attention.backward(group, forward, q).use { gradients ->
                                val bias: Tensor? = gradients.bias()
                                assertNull(bias)
                                val lse = forward.logSumExp().toFloats()
                                lse.forEach { assertEquals(ln(20.0).toFloat(), it, 1e-6f) }
                                forward.output().toFloats().sum() + gradients.query().toFloats().sum()
                            }
                        }
                    }
                }
            }
        }
        // Every logit is 0, so that an output is the mean of the ranks' values: 1.5.
        sums.forEach { assertEquals(64 * 1.5f, it, 1e-4f) }
    }

    @Test
    fun `what may be null is`() {
        val mask: Mask = Mask.none()
        val visibility: Tensor? = mask.visibility()
        assertNull(visibility)
        assertThrows(ArithmeticException::class.java) {
            LocalWorld.run<Unit>(2) { group ->
                if (group.rank() == 1) throw ArithmeticException("rank 1 gives up")
                group.barrier()
            }
        }
    }
}
