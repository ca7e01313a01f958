"""DML from Python: run a script, compile one, use the neural-network library.   python examples/embed.py"""

import numpy as np

import pydml

rng = np.random.default_rng(1)
X = rng.normal(size=(500, 20))
y = np.sign(X @ rng.normal(size=(20, 1)) + 0.1)

# 1. Run a script.  Keywords are variables of the script, results are arrays and numbers.
r = pydml.run("correct = mean((X %*% w > 0) == (y > 0)); norm = sqrt(sum(w^2))", X=X, y=y, w=np.ones((20, 1)))
print(f"before: accuracy {r.correct:.2f}, |w| = {r.norm:.2f}")

# 2. Compile once, call often: one step of logistic regression.
step = pydml.compile(
    """
    p = 1 / (1 + exp(-y * (X %*% w)))
    loss = -mean(log(p))
    w = w + rate * t(X) %*% (y * (1 - p)) / nrow(X)
    """,
    inputs={"X": pydml.Matrix, "y": pydml.Matrix, "w": pydml.Matrix, "rate": float},
    outputs=["w", "loss"],
)
w = np.zeros((20, 1))
for _ in range(200):
    w, loss = step(X=X, y=y, w=w, rate=1.0)
print(f"after:  accuracy {np.mean((X @ w > 0) == (y > 0)):.2f}, loss {loss:.3f}")

# 3. A DML file as a library: the layers of scripts/nn.
affine = pydml.source("nn/layers/affine.dml")
relu = pydml.source("nn/layers/relu.dml")
W, b = affine.init(20, 5, seed=1)
out = relu.forward(affine.forward(X, W, b))
gradient = affine.backward(relu.backward(np.ones_like(out), affine.forward(X, W, b)), X, W, b)
print(f"layer:  out {out.shape}, gradients {[g.shape for g in gradient]}, named {gradient._fields}")

# 4. Mistakes come with their place in the script.
try:
    pydml.run("a = X %*% w\nb = a %*% X", X=X, w=w)
except pydml.DMLError as error:
    print(error)
