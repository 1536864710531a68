"""Networks from ONNX files.

`read` is the entry. On the way from a file to a network stand

`load`      the file: external data, checks, operators as plain `Operation`s
`unpack`    operators on codes (QLinearConv) written as operators on real values between QuantizeLinear and
            DequantizeLinear
`lower`     operators to layers, one after the other; what depends on constants alone is computed on the spot
`codings`   QuantizeLinear and DequantizeLinear to codings of tensors
`fuse`      layers that exporters take apart (layer norm, GELU) put together again

A quantised network computes what ONNX defines: real values in float32 from codes, then rounded to codes, halves to
even; products as QLinearConv does. So does onnxruntime, but for values in the middle between two codes, where it can be
off by one code (measured with 1.31, over all pairs of codes for the sums):

QLinearAdd          up to 43 % of the pairs where the output's step is twice that of both inputs, else below 0.01 %:
                    it rounds the ratios of scales, and a constant made of them and the zero points, first
QLinearMul          likewise, up to 2 %
QLinearAveragePool  up to 20 % of 2x2 windows when input and output share a scale: it adds in another order
QLinearSoftmax      up to 6 % where the step is not 1/256, as it divides integers; useless for steps far below that

Where it leaves a layer of a QDQ graph real, its float32 sums can fall on the other side of a middle.
"""
