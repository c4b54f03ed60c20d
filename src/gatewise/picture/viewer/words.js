// What the viewer says, in English and Chinese. The gates' stories come with the scene.

const grouped = (number) => String(number).replace(/\B(?=(\d{3})+$)/g, ","); // 1,000,000; the browser's own way loads its languages first

const WORDS = {
  en: {
    hint: "Click a gate, or reach it with Tab, to see its chain rule. The arrow keys step through the two passes; the wheel zooms, dragging moves, a double click shows all, or expands what is collapsed.",
    value: "value", gradient: "gradient", none: "none", upstreamLocal: "upstream × local = gradient", upstreamOnly: "upstream → gradient",
    noGradient: "no gradient on this wire", upstream: "upstream", forks: "gradients add up at forks", from: "from",
    input: "input", constant: "constant", output: "result", elided: "earlier gate, not drawn:", numbers: "in numbers",
    shape: "shape", dtype: "dtype", minimum: "min", maximum: "max", mean: "mean", deviation: "std", zeros: "zeros", of: "of", norm: "norm",
    force: (aim, name, move, way) => `To raise the result by ${aim}, ${way > 0 ? "raise" : "lower"} ${name} by ${move}.`, this: "this",
    first: "to the start", back: "a step back", forward: "a step on", last: "to the end", play: "play", pause: "pause", position: "step",
    stop: "stop at", stopHint: "gate, line 12, not finite, norm > 100", run: "run on", runBack: "run back", notFound: "nothing stops there",
    badStop: "a breakpoint is a gate, a name, “line 12”, “not finite” or “norm > 100”", search: "find", searchHint: "name, gate or line",
    begin: "Before the forward pass: no values yet.", seed: (name, number) => `The backward pass begins: the gradient of the result ${name} is ${number}.`,
    forwardPass: "forward", backwardPass: "backward", computes: (name, gate, inputs, result) => `${name} = ${gate}(${inputs}) = ${result}`,
    given: (name, result) => `${name} is given: ${result}`, arrives: (name, sum, total) => `${name} adds up: ${sum} = ${total}`, stops: "No gradient passes this gate.",
    index: "which entry; none for all", whatIf: "what if", set: "set", cut: "cut", hold: "hold", uncut: "restore", swap: "gate", undo: "undo", reset: "reset", edits: (n) => `${n} edit${n === 1 ? "" : "s"} in force`,
    cannotEdit: "Edits need a program behind this page: not all gates here are ones of single numbers with a formula.",
    whole: "the circuit", above: "above the wire:", below: ", below:", kinds: { call: "call", module: "module", loop: "loop", turn: "turn", line: "line", stretch: "stretch", argument: "argument" }, inputs: (n) => `${grouped(n)} inputs`, gates: (n) => `${grouped(n)} gate${n === 1 ? "" : "s"}`,
    inside: "inside", expand: "expand", collapse: "collapse", detail: "detail", groupsDetail: "functions, loops", linesDetail: "and lines", gatesDetail: "every gate",
    folded: (n) => `${n} part${n === 1 ? " is" : "s are"} collapsed: a double click expands one.`,
    part: (drawn, total) => `showing the last ${drawn} of ${total} nodes`, formula: "formula", line: "source",
    summaries: (listed, total, parts) => `All of the circuit is here, but its ${grouped(total)} nodes are too many for a page: ${grouped(listed)} are listed, the others are inside ${grouped(parts)} parts, drawn dashed.`,
    notListed: "The gates inside are too many for this page; it has those whose values leave.", toldAfter: "These gates are inside a part and are not in this page. Those whose values leave the part come after them.",
    toldTogether: "These are not in this page one by one; their values are told together.", goesBack: "what goes back to",
    runs: (n) => `${grouped(n)} gates run here; they are not in this page.`, wires: (n) => `${grouped(n)} wires`,
  },
  zh: {
    hint: "点击一个门，或用 Tab 键选中它，查看它的链式法则。方向键逐步走过前向与反向两遍；滚轮缩放，拖动平移，双击显示全部，或展开收起的部分。",
    value: "值", gradient: "梯度", none: "无", upstreamLocal: "上游 × 局部 = 梯度", upstreamOnly: "上游 → 梯度",
    noGradient: "这条线上没有梯度", upstream: "上游", forks: "分叉处梯度相加", from: "来自",
    input: "输入", constant: "常量", output: "结果", elided: "更早的门，未画出：", numbers: "的统计",
    shape: "形状", dtype: "类型", minimum: "最小", maximum: "最大", mean: "均值", deviation: "标准差", zeros: "零", of: "/", norm: "范数",
    force: (aim, name, move, way) => `要使结果增大 ${aim}，应把${name}${way > 0 ? "增大" : "减小"} ${move}。`, this: "它",
    first: "回到开头", back: "后退一步", forward: "前进一步", last: "到末尾", play: "播放", pause: "暂停", position: "步",
    stop: "停在", stopHint: "门、line 12、not finite、norm > 100", run: "向前运行", runBack: "向后运行", notFound: "没有停下的地方",
    badStop: "断点可以是门、名称、“line 12”、“not finite”或“norm > 100”", search: "查找", searchHint: "名称、门或行号",
    begin: "前向传播之前：还没有值。", seed: (name, number) => `反向传播开始：结果 ${name} 的梯度为 ${number}。`,
    forwardPass: "前向", backwardPass: "反向", computes: (name, gate, inputs, result) => `${name} = ${gate}(${inputs}) = ${result}`,
    given: (name, result) => `${name} 是给定的：${result}`, arrives: (name, sum, total) => `${name} 相加：${sum} = ${total}`, stops: "没有梯度通过这个门。",
    index: "哪一个元素；不填为全部", whatIf: "如果……会怎样", set: "设为", cut: "剪断", hold: "截住梯度", uncut: "恢复", swap: "门", undo: "撤销", reset: "重置", edits: (n) => `${n} 处改动生效中`,
    cannotEdit: "在这里改动需要页面背后的程序：并非所有的门都是有公式的单个数的门。",
    whole: "整个电路", above: "线上方：", below: "，线下方：", kinds: { call: "调用", module: "模块", loop: "循环", turn: "一轮循环", line: "代码行", stretch: "一段", argument: "参数" }, inputs: (n) => `${grouped(n)} 个输入`, gates: (n) => `${grouped(n)} 个门`,
    inside: "属于", expand: "展开", collapse: "收起", detail: "详细程度", groupsDetail: "函数、循环", linesDetail: "以及代码行", gatesDetail: "每一个门",
    folded: (n) => `有 ${n} 部分已收起：双击展开。`,
    part: (drawn, total) => `显示全部 ${total} 个节点中的最后 ${drawn} 个`, formula: "公式", line: "源代码",
    summaries: (listed, total, parts) => `整个电路都在这里，但 ${grouped(total)} 个节点一页放不下：列出了 ${grouped(listed)} 个，其余的在 ${grouped(parts)} 个虚线框的部分里。`,
    notListed: "里面的门太多，本页放不下；列出的是值传到外面的门。", toldAfter: "这些门在一个部分里面，不在本页中。值传到外面的门排在它们之后。",
    toldTogether: "这些没有逐一列在本页中，它们的值合在一起显示。", goesBack: "传回的梯度",
    runs: (n) => `这里运行 ${grouped(n)} 个门，它们不在本页中。`, wires: (n) => `${grouped(n)} 条线`,
  },
};

/** The words of a language; English where there is none of that name. */
export const wordsOf = (language) => WORDS[language] ?? WORDS.en;
