// Release v1 of EvoApproxLib has an exact circuit of the name that v2022 gives to an approximate one.
module mul8s_1KV8(A, B, O);
  input [7:0] A;
  input [7:0] B;
  output [15:0] O;
  assign O = $signed(A) * $signed(B);
endmodule
