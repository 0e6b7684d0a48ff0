#pragma once
// CRC-64/NVME, the checksum of a grant request.

#include <cstdint>

#include "base/bytes.h"

namespace hearth::xet {

/// Reflected 0x9A6C9329AC4BC9B5, all ones in and out. `so_far` continues an earlier result.
uint64_t crc64_nvme(ByteView bytes, uint64_t so_far = 0);

}  // namespace hearth::xet
