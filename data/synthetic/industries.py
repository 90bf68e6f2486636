"""Industries and districts of the synthetic city: shares, risk, licences, products.

Shares of wholesale and retail, lodging and catering among legal units and self-employed follow the Fourth National
Economic Census (end of 2018), approximately: 30 % and 2 % of 21.8 million legal units, 51 % and 12 % of 63 million
self-employed. The other shares, and everything else here, are assumed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.synthetic.grid import Array


@dataclass(frozen=True)
class Division:
    """A GB/T 4754-2017 division as the synthetic city has it.

    Attributes
    ----------
    code, word
        Division, and the word for it in a name.
    enterprises, self_employed : float
        Shares in percent.
    risk : float
        Log-odds added to a violation.
    complaints, products, tests : float
        Factors of their rates.
    licence, licensed
        Kind of required licence, and the share of entities that need it.
    food : bool
        Whether a lapsed licence makes it worse than elsewhere.
    """

    code: str
    word: str
    enterprises: float
    self_employed: float
    risk: float = 0.0
    complaints: float = 1.0
    products: float = 0.0
    tests: float = 0.0
    licence: str = "特种行业许可证"
    licensed: float = 0.0
    food: bool = False


DIVISIONS = (
    Division("01", "农业", 3.0, 1.5, -0.3, 0.3, 1.0, 0.6),
    Division("03", "养殖", 1.0, 0.8, -0.1, 0.3, 1.0, 0.6),
    Division("13", "农产品加工", 0.8, 1.2, 0.3, 0.8, 2.5, 3.0, "食品生产许可证", 0.8, True),
    Division("14", "食品", 0.7, 0.9, 0.5, 1.2, 3.5, 4.0, "食品生产许可证", 0.95, True),
    Division("15", "茶业", 0.4, 0.3, 0.2, 0.8, 2.5, 2.5, "食品生产许可证", 0.9, True),
    Division("18", "服饰", 1.4, 1.2, 0.1, 0.9, 2.0, 0.9),
    Division("26", "化工", 0.8, 0.2, 0.4, 0.6, 2.5, 1.4, "危险化学品经营许可证", 0.5),
    Division("27", "医药", 0.4, 0.1, 0.2, 0.9, 2.5, 2.0, "药品生产许可证", 0.9),
    Division("33", "金属制品", 2.2, 0.9, 0.0, 0.4, 1.6, 0.6),
    Division("35", "设备", 2.2, 0.4, -0.1, 0.4, 1.6, 0.5),
    Division("38", "电器", 1.6, 0.3, 0.1, 0.7, 2.2, 1.4),
    Division("47", "建筑", 3.2, 0.9, 0.2, 0.6),
    Division("50", "装饰", 3.8, 2.0, 0.4, 1.9),
    Division("51", "商贸", 18.0, 8.0, 0.0, 0.8, 1.2, 0.6, "食品经营许可证", 0.15, True),
    Division("52", "超市", 12.0, 42.6, 0.1, 1.1, 1.6, 1.3, "食品经营许可证", 0.35, True),
    Division("54", "运输", 2.4, 7.2, -0.2, 0.7, licence="道路运输经营许可证", licensed=0.5),
    Division("60", "速递", 0.6, 0.6, 0.2, 2.6, licence="快递业务经营许可证", licensed=0.8),
    Division("61", "宾馆", 0.8, 1.0, 0.1, 1.8, licence="特种行业许可证", licensed=0.9),
    Division("62", "餐饮", 1.4, 11.2, 0.6, 1.7, 0.8, 1.6, "食品经营许可证", 0.97, True),
    Division("65", "科技", 7.2, 0.5, -0.4, 0.7),
    Division("64", "网络", 2.0, 0.4, 0.1, 2.4),
    Division("68", "保险", 0.4, 0.1, -0.3, 1.5),
    Division("70", "房地产", 3.0, 0.5, 0.2, 2.2),
    Division("71", "租赁", 1.6, 1.0, 0.1, 1.2),
    Division("72", "商务服务", 12.0, 1.6, 0.0, 0.8),
    Division("74", "技术服务", 5.4, 0.5, -0.4, 0.4),
    Division("75", "科技推广", 6.0, 0.3, -0.4, 0.4),
    Division("80", "美容美发", 1.6, 9.6, 0.3, 1.9, licence="公共场所卫生许可证", licensed=0.6),
    Division("81", "汽车维修", 1.4, 4.1, 0.3, 1.5),
    Division("83", "教育", 1.3, 0.3, 0.2, 2.8, licence="办学许可证", licensed=0.7),
    Division("84", "诊所", 0.5, 0.5, 0.3, 1.4, licence="医疗机构执业许可证", licensed=0.95),
    Division("90", "健身娱乐", 0.9, 0.7, 0.4, 2.4, licence="娱乐经营许可证", licensed=0.4),
)

DISTRICTS = {
    110101: ("东城区", 4.0), 110102: ("西城区", 5.0), 110105: ("朝阳区", 19.0), 110106: ("丰台区", 10.0),
    110107: ("石景山区", 3.0), 110108: ("海淀区", 16.0), 110109: ("门头沟区", 2.0), 110111: ("房山区", 6.0),
    110112: ("通州区", 8.0), 110113: ("顺义区", 5.5), 110114: ("昌平区", 7.0), 110115: ("大兴区", 7.0),
    110116: ("怀柔区", 2.0), 110117: ("平谷区", 2.0), 110118: ("密云区", 2.0), 110119: ("延庆区", 1.5),
}  # fmt: skip
"""Districts by GB/T 2260 code, with names and assumed shares in percent."""


def values(field: str) -> Array:
    """Return one attribute of all divisions as an array."""
    return np.array([getattr(division, field) for division in DIVISIONS])


def draw(shares: Array, n: int, rng: np.random.Generator) -> Array:
    """Draw n numbers with probabilities in proportion to the shares."""
    bounds = np.cumsum(shares / shares.sum())[:-1]
    return np.searchsorted(bounds, rng.random(n), side="right").astype(np.int16)
