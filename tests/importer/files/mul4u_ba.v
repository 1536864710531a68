// Ports in the order B, A, as in C files of EvoApproxLib; low bits of B are cut off, so the order matters.
module mul4u_ba(B, A, O);
  input [3:0] B;
  input [3:0] A;
  output [7:0] O;
  assign O = A * {B[3:1], 1'b0};
endmodule
