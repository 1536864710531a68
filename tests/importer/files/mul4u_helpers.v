// Two bits of A times B with helper modules as EvoApproxLib's files bring them, one of them unused.
module mul4u_helpers(A, B, O);
  input [3:0] A;
  input [3:0] B;
  output [7:0] O;
  wire [31:0] N;
  genvar i;
  generate
    for (i = 0; i < 4; i = i + 1) begin : rows
      PDKGENAND2X1 low(.A(A[2]), .B(B[i]), .Y(N[i]));
      PDKGENAND2X1 high(.A(A[3]), .B(B[i]), .Y(N[8 + i]));
    end
  endgenerate
  PDKGENHAX1 n1(.A(N[1]), .B(N[8]), .YS(N[16]), .YC(N[17]));
  PDKGENFAX1 n2(.A(N[2]), .B(N[9]), .C(N[17]), .YS(N[18]), .YC(N[19]));
  PDKGENFAX1 n3(.A(N[3]), .B(N[10]), .C(N[19]), .YS(N[20]), .YC(N[21]));
  PDKGENHAX1 n4(.A(N[11]), .B(N[21]), .YS(N[22]), .YC(N[23]));
  assign O = {N[23], N[22], N[20], N[18], N[16], N[0], 2'b00};
endmodule

module PDKGENAND2X1(input A, input B, output Y);
  assign Y = A & B;
endmodule

module PDKGENNAND2X1(input A, input B, output Y);
  assign Y = ~(A & B);
endmodule

module PDKGENHAX1(input A, input B, output YS, output YC);
  assign YS = A ^ B;
  assign YC = A & B;
endmodule

module PDKGENFAX1(input A, input B, input C, output YS, output YC);
  assign YS = (A ^ B) ^ C;
  assign YC = (A & B) | (B & C) | (A & C);
endmodule
