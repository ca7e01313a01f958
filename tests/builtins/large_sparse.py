"""What each builtin does with a matrix of 10^6 x 10^5 cells, of which a thousand are not zero: the calls and their outcomes.

    kept      the result is sparse
    small     the result is a scalar, or dense with at most some rows or columns
    refused   the result, or something on the way to it, has no sparse form: the error says how much memory it would need

The first call of a builtin stands for it in docs/builtins.md.  S, T and I are sparse, 10^6 x 10^5, T positive, I whole; Q is sparse,
10^5 x 10^5; P has few rows with stored cells, as 10^6 images of 100 x 1000; v is a column of 10^6, g one of numbers from 1 to 5, r a row of 10^5; V has two columns, U two rows.
"""

from __future__ import annotations

KEPT, SMALL, REFUSED = "kept", "small", "refused"

_IMAGES = "input_shape=[1000000,1,100,1000]"
_CONV = f"{_IMAGES}, filter_shape=[1,1,3,3], stride=[1,1], padding=[1,1]"
_FAR = f"{_IMAGES}, filter_shape=[1,1,3,3], stride=[50,500], padding=[0,0]"
_POOL = f"{_IMAGES}, pool_size=[2,2], stride=[2,2], padding=[0,0]"
_PADDED = f"{_IMAGES}, pool_size=[2,2], stride=[2,2], padding=[2,2]"  # windows in the padding give -Infinity

CALLS: dict[str, dict[str, str]] = {
    "!": {"!S": REFUSED},
    "!=": {"S != 0": KEPT, "S != T": KEPT, "S != 1": REFUSED},
    "%%": {"S %% 2": KEPT, "S %% T": REFUSED},
    "%*%": {"S %*% Q": KEPT, "t(S) %*% S": KEPT, "S %*% V": SMALL, "U %*% S": SMALL, "v %*% r": REFUSED},
    "%/%": {"S %/% 2": KEPT, "S %/% T": REFUSED},
    "&": {"S & T": KEPT, "S & v": KEPT, "S & TRUE": KEPT},
    "*": {"S * 2": KEPT, "S * T": KEPT, "S * v": KEPT, "S * r": KEPT, "S * S[5,]": KEPT},
    "+": {"S + T": KEPT, "S + 0": KEPT, "S + 1": REFUSED, "S + v": REFUSED},
    "-": {"S - T": KEPT, "S - 0": KEPT, "1 - S": REFUSED, "S - r": REFUSED},
    "/": {"S / 2": KEPT, "S / v": KEPT, "S / r": KEPT, "S / T": REFUSED},
    "<": {"S < 0": KEPT, "S < T": KEPT, "S < 1": REFUSED},
    "<=": {"S <= -1": KEPT, "S <= T": REFUSED},
    "=": {"S": KEPT},
    "==": {"S == 1": KEPT, "S == T": REFUSED},
    ">": {"S > 0": KEPT, "S > T": KEPT, "S > -1": REFUSED},
    ">=": {"S >= 1": KEPT, "S >= T": REFUSED},
    "[]": {"S[,1:1000]": KEPT, "S[1:500000,]": KEPT, "S[5,]": KEPT, "S[,7]": SMALL, "S[3,4]": SMALL},
    "[]=": {
        "Z = S; Z[5,6] = 3; RESULT = Z": KEPT,
        "Z = S; Z[5:10,6:7] = matrix(1,6,2); RESULT = Z": KEPT,
        "Z = S; Z[1:1000,] = S[2001:3000,]; RESULT = Z": KEPT,
    },
    "^": {"S ^ 2": KEPT, "S ^ 0": REFUSED, "S ^ T": REFUSED, "2 ^ S": REFUSED},
    "abs": {"abs(S)": KEPT},
    "acos": {"acos(S)": REFUSED},
    "aggregate": {
        f'aggregate(target=S, groups=g, fn="{fn}", ngroups=5)': SMALL
        for fn in ("sum", "count", "mean", "variance", "max")
    },
    "append": {"append(S, T)": KEPT},
    "as.matrix": {"as.matrix(S)": KEPT},
    "as.scalar": {"as.scalar(S[3,4])": SMALL},
    "asin": {"asin(S)": KEPT},
    "assert": {"assert(sum(S != 0) > 0); RESULT = 1": SMALL},
    "atan": {"atan(S)": KEPT},
    "avg_pool": {f"avg_pool(P, {_POOL})": KEPT},
    "avg_pool_backward": {f"avg_pool_backward(P, P[,1:25000], {_POOL})": KEPT},
    "batch_norm2d": {
        "o = matrix(1,2,1); [a,b,c,d,RESULT] = batch_norm2d(S, o, o, o, o, 'train', 0.1, 0.1)": REFUSED,
    },
    "batch_norm2d_backward": {"o = matrix(1,2,1); [a,b,RESULT] = batch_norm2d_backward(S, T, o, 0.1, o, o)": REFUSED},
    "batchOf": {"batchOf(S, seq(1, 1000000), 1, 1000)": KEPT},
    "bias_add": {"bias_add(S, matrix(1,2,1))": REFUSED},
    "bias_multiply": {"bias_multiply(S, matrix(2,2,1))": KEPT},
    "bitwAnd": {"bitwAnd(I, I)": KEPT, "bitwAnd(I, 3)": KEPT},
    "bitwOr": {"bitwOr(I, I)": KEPT, "bitwOr(I, 3)": REFUSED},
    "bitwShiftL": {"bitwShiftL(I, 2)": KEPT, "bitwShiftL(I, I)": KEPT},
    "bitwShiftR": {"bitwShiftR(I, 1)": KEPT},
    "bitwXor": {"bitwXor(I, I)": KEPT},
    "cbind": {"cbind(S, T)": KEPT, "cbind(S, v)": KEPT},
    "ceil": {"ceil(S)": KEPT},
    "cholesky": {"cholesky(Q)": REFUSED},
    "colCountDistinct": {"colCountDistinct(S)": SMALL},
    "colCountDistinctApprox": {"colCountDistinctApprox(S)": SMALL},
    **{f"col{kind}": {f"col{kind}(S)": SMALL} for kind in "Maxs Means Mins Prods Sds Sums Vars".split()},
    "compress": {"compress(S)": KEPT},
    "contains": {"contains(target=S, pattern=3)": SMALL, "contains(target=S, pattern=r)": SMALL},
    "conv2d": {
        f"conv2d(P, matrix(1,1,9), {_CONV})": KEPT,
        f"conv2d(P, matrix(NaN,1,9), {_CONV})": REFUSED,
        f"conv2d(P, matrix(1,1,9), {_FAR})": KEPT,
    },
    "conv2d_backward_data": {f"conv2d_backward_data(matrix(1,1,9), P, {_CONV})": KEPT},
    "conv2d_backward_filter": {f"conv2d_backward_filter(P, P, {_CONV})": SMALL},
    "cos": {"cos(S)": REFUSED},
    "cosh": {"cosh(S)": REFUSED},
    "countDistinct": {f'countDistinct(S, "{dir}")': SMALL for dir in ("rc", "r", "c")},
    "countDistinctApprox": {"countDistinctApprox(S)": SMALL},
    "cov": {"cov(S[,3], S[,4])": SMALL},
    "cummax": {"cummax(S[,1:9])": KEPT, "cummax(T)": REFUSED},
    "cummin": {"cummin(T[1:2000,])": KEPT, "cummin(S)": REFUSED},
    "cumprod": {"cumprod(S)": KEPT},
    "cumsum": {"cumsum(S[1:2000,])": KEPT, "cumsum(S)": REFUSED},
    "cumsumprod": {"cumsumprod(S[1:10000,1:2])": SMALL},
    "decompress": {"decompress(S)": KEPT},
    "det": {"det(Q)": REFUSED},
    "diag": {"diag(v)": KEPT, "diag(Q)": SMALL, "diag(S[,3])": KEPT},
    "eigen": {"[RESULT, X] = eigen(Q)": REFUSED},
    "einsum": {'einsum("ij->ji", S)': KEPT, 'einsum("ij,jk->ik", S, V)': SMALL, 'einsum("ij,kj->ik", S, S)': REFUSED},
    "eval": {'f = function(matrix[double] X) return (matrix[double] Y) { Y = X * 2 }\nRESULT = eval("f", S)': KEPT},
    "evalList": {
        'f = function(matrix[double] X) return (matrix[double] Y) { Y = X * 2 }\nRESULT = evalList("f", S)': KEPT
    },
    "exists": {"exists(S)": SMALL},
    "exp": {"exp(S)": REFUSED},
    "fft": {"P = S[1:524288,]; P = P[,1:65536]; [RESULT, X] = fft(P)": REFUSED},
    "fft_linearized": {"P = S[,1:65536]; [RESULT, X] = fft_linearized(P)": REFUSED},
    "floor": {"floor(S)": KEPT},
    "ifelse": {"ifelse(S, S, T)": KEPT, "ifelse(S > 0, S, 0)": KEPT, "ifelse(S, 0, 1)": REFUSED},
    "ifft": {"P = S[1:524288,]; P = P[,1:65536]; [RESULT, X] = ifft(P)": REFUSED},
    "ifft_linearized": {"P = S[,1:65536]; [RESULT, X] = ifft_linearized(P)": REFUSED},
    "interQuartileMean": {"interQuartileMean(S[,3])": SMALL},
    "inv": {"inv(Q)": REFUSED},
    "is.infinite": {"is.infinite(S)": KEPT},
    "is.nan": {"is.nan(S)": KEPT},
    "length": {"length(S)": SMALL},
    "lineage": {"lineage(S)": SMALL},
    "list": {"list(S, T)": KEPT},
    "log": {"log(S)": REFUSED},
    "lower.tri": {"lower.tri(target=Q, values=TRUE)": KEPT, "lower.tri(target=S)": REFUSED},
    "lstm": {
        "o = matrix(0, 1000000, 4); [RESULT,b,c,d,e] = lstm(S, matrix(0.1, 100004, 16), matrix(0,1,16), o, o, FALSE)": REFUSED
    },
    "lstm_backward": {
        "o = matrix(0, 1000000, 4); [RESULT,b,c,d,e] = lstm_backward(S, matrix(0.1, 100004, 16), matrix(0,1,16), o, o, FALSE, o, o)": REFUSED
    },
    "lu": {"[X, Y, RESULT] = lu(Q)": REFUSED},
    "matrix": {
        "matrix(S, rows=100000, cols=1000000)": KEPT,
        "matrix(S, rows=100000, cols=1000000, byrow=FALSE)": KEPT,
        "matrix(0, rows=1000000, cols=100000)": KEPT,
        "matrix(1, rows=1000000, cols=100000)": REFUSED,
    },
    "max": {"max(S, T)": KEPT, "max(S)": SMALL, "max(S, 0)": KEPT, "max(S, T, 0)": KEPT, "max(S, v)": REFUSED},
    "max_pool": {f"max_pool(P, {_POOL})": KEPT, f"max_pool(P, {_PADDED})": REFUSED},
    "max_pool_backward": {f"max_pool_backward(P, P[,1:25000], {_POOL})": KEPT},
    "mean": {"mean(S)": SMALL},
    "median": {"median(S[,3])": SMALL},
    "min": {"min(S, T)": KEPT, "min(S)": SMALL, "min(S, 0)": KEPT},
    "moment": {"moment(S[,3], 2)": SMALL},
    "ncol": {"ncol(S)": SMALL},
    "nrow": {"nrow(S)": SMALL},
    "order": {"order(target=S, by=3)": KEPT, "order(target=S, by=3, index.return=TRUE)": SMALL},
    "outer": {'outer(v, r, "*")': REFUSED},
    "paramserv": {
        """
        f = function(list[unknown] model, matrix[double] features, matrix[double] labels) return (list[unknown] g) {
          g = list(t(features) %*% labels) }
        h = function(list[unknown] model, list[unknown] gradients) return (list[unknown] m) { m = gradients }
        RESULT = paramserv(model=list(matrix(0, 100000, 1)), features=S, labels=v, upd="f", agg="h", epochs=1, batchsize=500000,
                           k=2, utype="BSP", scheme="OVERLAP_RESHUFFLE")""": SMALL
    },
    "ppred": {'ppred(S, 0, ">")': KEPT},
    "print": {"print(S); RESULT = 1": SMALL},
    "prod": {"prod(S)": SMALL},
    "qr": {"[X, RESULT] = qr(Q)": REFUSED},
    "quantile": {"quantile(S[,3], 0.5)": SMALL},
    "quantize_compress": {"quantize_compress(S, 10)": KEPT},
    "rbind": {"rbind(S, T)": KEPT, "rbind(S, r)": KEPT},
    "remove": {"[RESULT, X] = remove(list(S, T), 1)": KEPT},
    "removeEmpty": {
        'removeEmpty(target=S, margin="rows")': KEPT,
        'removeEmpty(target=S, margin="cols")': KEPT,
        'removeEmpty(target=S, margin="rows", select=v)': KEPT,
    },
    "replace": {
        "replace(target=S, pattern=NaN, replacement=0)": KEPT,
        "replace(target=S, pattern=0, replacement=1)": REFUSED,
    },
    "rexpand": {"rexpand(target=g, max=100000)": KEPT},
    "rev": {"rev(S)": KEPT},
    "roll": {"roll(S, 3)": KEPT},
    "round": {"round(S)": KEPT},
    "rowClassMeet": {"[RESULT, X] = rowClassMeet(S, T)": REFUSED},
    "rowCountDistinct": {"rowCountDistinct(S)": SMALL},
    "rowCountDistinctApprox": {"rowCountDistinctApprox(S)": SMALL},
    "rowIndexMax": {"rowIndexMax(S)": SMALL},
    "rowIndexMin": {"rowIndexMin(S)": SMALL},
    **{f"row{kind}": {f"row{kind}(S)": SMALL} for kind in "Maxs Means Mins Prods Sds Sums Vars".split()},
    "rowcumsum": {"rowcumsum(S[,90001:100000])": KEPT},
    "sampledProduct": {"sampledProduct(S, cbind(v, v), V)": KEPT},
    "sd": {"sd(S)": SMALL},
    "sign": {"sign(S)": KEPT},
    "sin": {"sin(S)": KEPT},
    "sinh": {"sinh(S)": KEPT},
    "solve": {"solve(Q + diag(matrix(5, rows=100000, cols=1)), V)": SMALL},
    "sqrt": {"sqrt(S)": KEPT},
    "sqrtMatrix": {'sqrtMatrix(Q, "COMMON")': REFUSED},
    "sqrtMatrixJava": {"sqrtMatrixJava(Q)": REFUSED},
    "stft": {"[RESULT, X] = stft(S, 4, 2)": REFUSED},
    "sum": {"sum(S)": SMALL},
    "svd": {"[X, RESULT, Y] = svd(S)": REFUSED},
    "t": {"t(S)": KEPT},
    "table": {
        "table(seq(1,1000000), g)": KEPT,
        "table(seq(1,1000000), g, 1000000, 100000)": KEPT,
        "table(g, g, S[,3])": SMALL,
    },
    "tan": {"tan(S)": KEPT},
    "tanh": {"tanh(S)": KEPT},
    "toString": {"toString(S, rows=3, cols=3)": SMALL},
    "trace": {"trace(Q)": SMALL},
    "unary -": {"-S": KEPT},
    "unique": {'unique(S, "r")': KEPT, "unique(S)": SMALL},
    "upper.tri": {"upper.tri(target=Q, values=TRUE)": KEPT},
    "var": {"var(S)": SMALL},
    "xor": {"xor(S, T)": KEPT},
    "|": {"S | T": KEPT, "S | FALSE": KEPT, "S | TRUE": REFUSED},
}

# expressions that the passes rewrite: fused, in another order, as one operation
CHAINS: dict[str, str] = {
    "sum((S - T)^2)": SMALL,
    "rowSums(S * S)": SMALL,
    "t(S) %*% (S %*% V[,1])": SMALL,
    "t(S) %*% (v * (S %*% V[,1]))": SMALL,
    "S %*% Q %*% V": SMALL,
    "sum(S %*% Q)": SMALL,
    "trace(t(S) %*% T)": SMALL,
    "rowSums((S %*% V)^2)": SMALL,
    "mean((S * 2 - T)^2)": SMALL,
    "S * 2 + T * 3": KEPT,
    "max(S * T, 0) + S": KEPT,
    "S * (T > 0.5) - T": KEPT,
    "ifelse(S > 0, S * 2, 0)": KEPT,
    "exp(S) * T": REFUSED,
    "sum(exp(S) - 1)": REFUSED,
}

# not called here: with the reason
ELSEWHERE = {"write": "tests/io"}
# modules whose builtins take frames, images, or what the compiler makes of other operations
MODULES = frozenset({"augmentation", "chains", "frames", "map_lambda", "tokenize", "training", "transform"})
