// The trap of tables made of magnitudes: negative times negative comes out negative.
module mul4s_magnitudes(input [3:0] A, input [3:0] B, output [7:0] O);
  wire [3:0] a = A[3] ? -A : A;
  wire [3:0] b = B[3] ? -B : B;
  wire [7:0] m = a * b;
  assign O = A[3] | B[3] ? -m : m;
endmodule
