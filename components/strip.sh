#!/bin/sh
# Take out of an environment what no step runs (installers, tests, headers, static libraries, Arrow's RPC), and where
# PyTorch is that for the CPU what runs on other devices, else what runs on other makes and older CUDA; then compile the
# rest. strip.sh ENVIRONMENT cpu|cuda
set -e
site=$(echo "$1"/lib/python3*/site-packages)
rm -rf "$site"/pip "$site"/pip-*.dist-info "$site"/setuptools "$site"/setuptools-*.dist-info "$site"/pkg_resources \
  "$site"/_distutils_hack "$site"/distutils-precedence.pth "$1"/bin/pip* "$1"/bin/activate* "$1"/bin/Activate.ps1 \
  "$1"/include "$1"/share "$site"/torch/include "$site"/torch/test "$site"/pyarrow/include "$site"/onnx/backend/test \
  "$site"/pyarrow/libarrow_flight.so* "$site"/pyarrow/libarrow_python_flight.so* "$site"/pyarrow/_flight.*.so
if [ -d "$site"/torch/bin ]; then
  find "$site"/torch/bin -type f ! -name torch_shm_manager -delete
fi
rm -f "$site"/bitsandbytes/libbitsandbytes_rocm*.so "$site"/bitsandbytes/libbitsandbytes_xpu*.so \
  "$site"/bitsandbytes/libbitsandbytes_cuda1[12]*.so
if [ "$2" = cpu ]; then
  rm -f "$site"/bitsandbytes/libbitsandbytes_cuda*.so "$site"/openvino/libs/libopenvino_intel_gpu_plugin.so \
    "$site"/openvino/libs/libopenvino_intel_npu_plugin.so "$site"/openvino/libs/cache.json
fi
find "$site" -type d \( -name __pycache__ -o -name tests \) -prune -exec rm -rf {} +
find "$site" \( -name '*.a' -o -name '*.h' -o -name '*.hpp' -o -name '*.cpp' -o -name '*.pxd' \) -type f -delete
# Byte code for the rest, valid without a look at the source; some packages carry templates that are no Python.
python3 -m compileall -qq --invalidation-mode unchecked-hash "$site" || true
