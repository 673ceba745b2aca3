// Products with a matrix that is laid out for them once and used many times: in MKL's packed form, where libtorch
// brings MKL. Left alone, MKL lays the matrix out anew for every product.

#include <cstddef>
#include <cstdint>

// As MKL declares them; null where libtorch brings another library.
extern "C" {
__attribute__((weak)) size_t cblas_sgemm_pack_get_size(int which, int m, int n, int k);
__attribute__((weak)) void cblas_sgemm_pack(int layout, int which, int transposed, int m, int n, int k, float alpha,
                                            const float* from, int stride, float* packed);
__attribute__((weak)) void cblas_sgemm_compute(int layout, int a_is, int b_is, int m, int n, int k, const float* a,
                                               int a_stride, const float* b, int b_stride, float beta, float* c,
                                               int c_stride);
}

namespace {

// MKL's numbers for what we ask of it.
constexpr int ROW_MAJOR = 101, AS_IT_IS = 111, TRANSPOSED = 112, PACKED = 151, SECOND_FACTOR = 162;

// Rows that a product is expected to have; it may have others.
constexpr int ROWS = 512;

}  // namespace

extern "C" {

// Bytes of a matrix of that size laid out; 0 where nothing is gained by it.
size_t iterit_laid_out_size(int64_t out_features, int64_t in_features) {
  if (cblas_sgemm_compute == nullptr) return 0;
  return cblas_sgemm_pack_get_size(SECOND_FACTOR, ROWS, static_cast<int>(out_features),
                                   static_cast<int>(in_features));
}

// Lays out Wᵀ. // W of [Out, In]
void iterit_lay_out(const float* weight, int64_t out_features, int64_t in_features, float* laid_out) {
  const int n = static_cast<int>(out_features), k = static_cast<int>(in_features);
  cblas_sgemm_pack(ROW_MAJOR, SECOND_FACTOR, TRANSPOSED, ROWS, n, k, /*alpha=*/1.0f, weight, /*stride=*/k, laid_out);
}

// y = x Wᵀ + beta · y. // [N, In] -> [N, Out]
void iterit_product(const float* x, const float* laid_out, int64_t rows, int64_t out_features, int64_t in_features,
                    float beta, float* y) {
  const int m = static_cast<int>(rows), n = static_cast<int>(out_features), k = static_cast<int>(in_features);
  cblas_sgemm_compute(ROW_MAJOR, AS_IT_IS, PACKED, m, n, k, x, k, laid_out, k, beta, y, n);
}

}  // extern "C"
