#include "fold/tile.hpp"

namespace gramfold {

template void product(Index, Index, Index, const float*, Index, Index, const float*, Index, float*, Index, bool, Fetch);
template void product(Index, Index, Index, const double*, Index, Index, const double*, Index, double*, Index, bool,
                      Fetch);
template void pack(Index, Index, const float*, Index, Index, Index, float*);
template void pack(Index, Index, const double*, Index, Index, Index, double*);

}  // namespace gramfold
